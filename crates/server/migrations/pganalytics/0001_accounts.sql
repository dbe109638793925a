-- Users, their sessions, and the collectors that may deliver.
create table pganalytics.users (
    id uuid primary key,
    username text not null,
    password_hash text not null,
    role text not null,
    created_at timestamptz not null,
    last_login_at timestamptz,
    constraint users_role_known check (role in ('viewer', 'user', 'admin'))
);

-- Two names that differ in case alone would be one person's name to every reader.
create unique index users_username_key on pganalytics.users (lower(username));

-- A session is a family of refresh tokens: one sign-in and all that it was traded for.
create table pganalytics.sessions (
    id uuid primary key,
    user_id uuid not null references pganalytics.users on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);

create index sessions_user_id on pganalytics.sessions (user_id);
create index sessions_expires_at on pganalytics.sessions (expires_at);

create table pganalytics.refresh_tokens (
    hash bytea primary key,
    session_id uuid not null references pganalytics.sessions on delete cascade,
    expires_at timestamptz not null,
    used_at timestamptz
);

create index refresh_tokens_session_id on pganalytics.refresh_tokens (session_id);

create table pganalytics.collectors (
    id uuid primary key,
    name text not null,
    hostname text not null,
    version text,
    registered_at timestamptz not null,
    token_expires_at timestamptz not null,
    last_seen timestamptz,
    last_error text,
    last_error_at timestamptz,
    revoked_at timestamptz
);
