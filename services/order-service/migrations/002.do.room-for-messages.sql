-- A pending order takes about 70 bytes, a final one with its message about 260: a page filled to a quarter has room for
-- all of its orders when they are final, so their updates stay on it and touch no index.
alter table orders set (fillfactor = 25);
