import type { TestProject } from 'vitest/node';

/** The tests' PostgreSQL is that of `npm run mutate`: it outlives test processes that Stryker kills when a mutant hangs them. */
export default function setup(project: TestProject) {
  project.provide('postgresUrl', process.env.MUTATE_POSTGRES_URL!);
}
