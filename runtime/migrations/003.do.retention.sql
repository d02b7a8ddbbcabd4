-- What lets old events go (retention.ts).

-- The newest position of each partition that was removed; the log holds everything above it. Not a column of log_head,
-- whose row lock is held to the commit of whoever publishes.
create table log_floor (
  partition int    primary key,
  position  bigint not null default 0 check (position >= 0)
);

-- How far each follower has durably come, as it told last.
create table log_follower (
  follower  text        not null,
  partition int         not null,
  position  bigint      not null check (position >= 0),
  told_at   timestamptz not null,
  primary key (follower, partition)
);

-- A follower may read the log and tell how far it is, and nothing else. Not the greatest of what it told: one whose database
-- was put back to an older state needs its events again.
create function tell_passed(by text, partitions int[], positions bigint[]) returns void
language sql security definer as $$
  insert into log_follower (follower, partition, position, told_at)
  select by, p.partition, p.position, now() from unnest(partitions, positions) as p (partition, position)
  on conflict (follower, partition) do update set position = excluded.position, told_at = excluded.told_at
$$;
revoke execute on function tell_passed from public;
-- Temporary tables last: otherwise a caller's own, with a trigger, would be written to with the rights of the function's owner.
do $$ begin
  execute format('alter function tell_passed set search_path = %I, pg_temp', current_schema());
end $$;

-- Removed rows leave room for new ones as soon as a vacuum has passed: sooner than after a fifth of the table.
alter table log set (autovacuum_vacuum_scale_factor = 0.05);
