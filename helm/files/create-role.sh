#!/bin/bash
# At PostgreSQL's first start: the services' login and its database, for Compose and the chart. Not a superuser: it owns
# the database, and creates the roles that read the logs.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v password="$SERVICES_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role stream_processing login createrole password :'password';
create database stream_processing owner stream_processing;
SQL
