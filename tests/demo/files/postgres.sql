-- Copyright: cryptobot.maintenance contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The tables of a Cryptobot database in PostgreSQL: those of sqlite.sql, and trades and orders.  The real
-- application keeps orders in memory; the table is what an installation gets that stores them.
CREATE TABLE users (
    id serial PRIMARY KEY, username varchar(50), email varchar(100), full_name varchar(100),
    hashed_password varchar(100), disabled boolean, mfa_enabled boolean, mfa_setup boolean, totp_secret varchar(100),
    backup_codes text, last_used_backup_code integer);
CREATE UNIQUE INDEX ix_users_username ON users (username);
CREATE UNIQUE INDEX ix_users_email ON users (email);
CREATE INDEX ix_users_id ON users (id);

CREATE TABLE roles (id serial PRIMARY KEY, name varchar(50));
CREATE UNIQUE INDEX ix_roles_name ON roles (name);
CREATE INDEX ix_roles_id ON roles (id);

CREATE TABLE user_roles (user_id integer REFERENCES users (id), role_id integer REFERENCES roles (id));

CREATE TABLE api_keys (
    id serial PRIMARY KEY, key varchar(100), description varchar(200), exchange varchar(50), is_test boolean,
    user_id integer REFERENCES users (id));
CREATE UNIQUE INDEX ix_api_keys_key ON api_keys (key);
CREATE INDEX ix_api_keys_id ON api_keys (id);

CREATE TABLE sessions (
    id serial PRIMARY KEY, session_token varchar(512), user_id integer REFERENCES users (id), ip_address varchar(45),
    user_agent varchar(512), device_info json, location json, is_active boolean, is_suspicious boolean,
    created_at timestamp, last_activity timestamp);
CREATE UNIQUE INDEX ix_sessions_session_token ON sessions (session_token);
CREATE INDEX ix_sessions_id ON sessions (id);

CREATE TABLE suspicious_activities (
    id serial PRIMARY KEY, session_id integer REFERENCES sessions (id), activity_type varchar(128), details json,
    severity varchar(32), created_at timestamp);

CREATE TABLE audit_logs (
    id serial PRIMARY KEY, user_id integer, action varchar(50), resource_type varchar(50), resource_id varchar(255),
    details text, timestamp timestamptz, ip_address varchar(45), user_agent varchar(255), severity varchar(20),
    status varchar(20), is_sensitive boolean, masked_details text);

CREATE TABLE strategies (
    id serial PRIMARY KEY, name varchar(100), description varchar(500), parameters json, version integer,
    is_active boolean, created_at timestamp, updated_at timestamp);
CREATE UNIQUE INDEX ix_strategies_name ON strategies (name);
CREATE INDEX ix_strategies_id ON strategies (id);

CREATE TABLE strategy_versions (
    id serial PRIMARY KEY, strategy_id integer, version integer, parameters json, created_at timestamp);
CREATE INDEX ix_strategy_versions_strategy_id ON strategy_versions (strategy_id);

CREATE TABLE backtests (
    id serial PRIMARY KEY, strategy_id integer REFERENCES strategies (id), symbol varchar(20), timeframe varchar(10),
    start_date timestamp, end_date timestamp, status varchar(20), parameters json, results json, created_at timestamp,
    completed_at timestamp);
CREATE INDEX ix_backtests_id ON backtests (id);

CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
CREATE TABLE test (id serial PRIMARY KEY, name varchar(50));

CREATE TABLE orders (
    id serial PRIMARY KEY, exchange_order_id varchar(100), exchange varchar(50), symbol varchar(20), side varchar(10),
    order_type varchar(20), quantity numeric(18, 8), filled_quantity numeric(18, 8), price numeric(18, 8),
    status varchar(20), created_at timestamptz, updated_at timestamptz);
CREATE INDEX ix_orders_status ON orders (status);

CREATE TABLE trades (
    id serial PRIMARY KEY, user_id integer REFERENCES users (id), strategy_id integer REFERENCES strategies (id),
    exchange varchar(50), symbol varchar(20), trade_type varchar(20), side varchar(10), quantity numeric(18, 8),
    price numeric(18, 8), executed_price numeric(18, 8), order_id varchar(100), status varchar(20),
    created_at timestamptz, updated_at timestamptz, closed_at timestamptz);
