-- Copyright: cryptobot.maintenance contributors
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The twelve indexes of audit_logs, for SQLite and PostgreSQL alike; made after the rows because that is faster.
-- ix_audit_logs_id doubles the primary key; user_id, action and resource_type are prefixes of composites.
CREATE INDEX ix_audit_logs_id ON audit_logs (id);
CREATE INDEX ix_audit_logs_user_id ON audit_logs (user_id);
CREATE INDEX ix_audit_logs_action ON audit_logs (action);
CREATE INDEX ix_audit_logs_resource_type ON audit_logs (resource_type);
CREATE INDEX ix_audit_logs_resource_id ON audit_logs (resource_id);
CREATE INDEX ix_audit_logs_timestamp ON audit_logs (timestamp);
CREATE INDEX ix_audit_logs_severity ON audit_logs (severity);
CREATE INDEX ix_audit_logs_status ON audit_logs (status);
CREATE INDEX ix_audit_logs_is_sensitive ON audit_logs (is_sensitive);
CREATE INDEX ix_audit_logs_user_timestamp ON audit_logs (user_id, timestamp);
CREATE INDEX ix_audit_logs_action_timestamp ON audit_logs (action, timestamp);
CREATE INDEX ix_audit_logs_resource ON audit_logs (resource_type, resource_id);
