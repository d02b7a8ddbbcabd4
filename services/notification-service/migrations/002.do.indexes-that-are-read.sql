-- A notification is only ever read in its user's list.
alter table notifications drop constraint notifications_pkey;
drop index notifications_of_user;
alter table notifications add primary key (user_id, id);
