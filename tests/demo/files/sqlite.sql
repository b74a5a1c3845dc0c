-- Copyright: cryptobot.maintenance contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The tables that the shipped database/cryptobot.db has.  Peculiarities are kept because real installations have
-- them: no foreign key to users, no index on sessions.user_id, an audit log with twelve indexes of which some
-- are prefixes of others, and an alembic_version table that was never stamped.
CREATE TABLE users (
    id INTEGER PRIMARY KEY, username VARCHAR(50), email VARCHAR(100), full_name VARCHAR(100),
    hashed_password VARCHAR(100), disabled BOOLEAN, mfa_enabled BOOLEAN, mfa_setup BOOLEAN, totp_secret VARCHAR(100),
    backup_codes TEXT, last_used_backup_code INTEGER);
CREATE UNIQUE INDEX ix_users_username ON users (username);
CREATE UNIQUE INDEX ix_users_email ON users (email);
CREATE INDEX ix_users_id ON users (id);

CREATE TABLE roles (id INTEGER PRIMARY KEY, name VARCHAR(50));
CREATE UNIQUE INDEX ix_roles_name ON roles (name);
CREATE INDEX ix_roles_id ON roles (id);

CREATE TABLE user_roles (
    user_id INTEGER REFERENCES users (id), role_id INTEGER REFERENCES roles (id));

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY, key VARCHAR(100), description VARCHAR(200), exchange VARCHAR(50), is_test BOOLEAN,
    user_id INTEGER REFERENCES users (id));
CREATE UNIQUE INDEX ix_api_keys_key ON api_keys (key);
CREATE INDEX ix_api_keys_id ON api_keys (id);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, session_token VARCHAR(512), user_id INTEGER REFERENCES users (id), ip_address VARCHAR(45),
    user_agent VARCHAR(512), device_info JSON, location JSON, is_active BOOLEAN, is_suspicious BOOLEAN,
    created_at DATETIME, last_activity DATETIME);
CREATE UNIQUE INDEX ix_sessions_session_token ON sessions (session_token);
CREATE INDEX ix_sessions_id ON sessions (id);

CREATE TABLE suspicious_activities (
    id INTEGER PRIMARY KEY, session_id INTEGER REFERENCES sessions (id), activity_type VARCHAR(128), details JSON,
    severity VARCHAR(32), created_at DATETIME);

CREATE TABLE audit_logs (
    id INTEGER PRIMARY KEY, user_id INTEGER, action VARCHAR(50), resource_type VARCHAR(50), resource_id VARCHAR(255),
    details TEXT, timestamp DATETIME, ip_address VARCHAR(45), user_agent VARCHAR(255), severity VARCHAR(20),
    status VARCHAR(20), is_sensitive BOOLEAN, masked_details TEXT);

CREATE TABLE strategies (
    id INTEGER PRIMARY KEY, name VARCHAR(100), description VARCHAR(500), parameters JSON, version INTEGER,
    is_active BOOLEAN, created_at DATETIME, updated_at DATETIME);
CREATE UNIQUE INDEX ix_strategies_name ON strategies (name);
CREATE INDEX ix_strategies_id ON strategies (id);

CREATE TABLE strategy_versions (
    id INTEGER PRIMARY KEY, strategy_id INTEGER, version INTEGER, parameters JSON, created_at DATETIME);
CREATE INDEX ix_strategy_versions_strategy_id ON strategy_versions (strategy_id);

CREATE TABLE backtests (
    id INTEGER PRIMARY KEY, strategy_id INTEGER REFERENCES strategies (id), symbol VARCHAR(20), timeframe VARCHAR(10),
    start_date DATETIME, end_date DATETIME, status VARCHAR(20), parameters JSON, results JSON, created_at DATETIME,
    completed_at DATETIME);
CREATE INDEX ix_backtests_id ON backtests (id);

CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
CREATE TABLE test (id INTEGER PRIMARY KEY, name VARCHAR(50));
