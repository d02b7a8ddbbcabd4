-- What every service keeps beside its own tables. Created in the service's own schema.

-- The events that this service publishes. Positions are dense (1, 2, 3 …) within a partition.
create table log (
  partition  int         not null,
  position   bigint      not null,
  type       text        not null,
  user_id    bigint      not null,
  data       json        not null,
  trace      text,
  created_at timestamptz not null,
  primary key (partition, position)
);

-- The newest position of each partition. Its row lock, held to commit, is what makes positions
-- visible in order and without gaps.
create table log_head (
  partition int    primary key,
  position  bigint not null default 0 check (position >= 0)
) with (fillfactor = 10);

-- How far this service has applied other services' logs.
create table cursor (
  source    text   not null,
  partition int    not null,
  position  bigint not null default 0 check (position >= 0),
  primary key (source, partition)
) with (fillfactor = 10);

-- The first reply to each request that carried an Idempotency-Key.
create table idempotency (
  scope      text        not null,
  key        text        not null,
  request    bytea       not null,
  status     int         not null,
  body       json        not null,
  created_at timestamptz not null default now(),
  primary key (scope, key)
);

-- Settings that are fixed when the installation is created.
create table installation (
  setting text primary key,
  value   text not null
);
