/** `npm run audit`. */
import { readConfig } from '@stream-processing/runtime/config.ts';
import { visitDatabases } from '../../embedded/databases.ts';
import { runAudit } from './command.ts';

await runAudit({
  name: 'npm run audit --',
  about: `Looks at the installation that DATABASE_URL (or USER_DATABASE_URL …) names; without it at the embedded PostgreSQL of
\`npm start\`, which is started for it where it does not run.`,
  args: process.argv.slice(2),
  visit: () => visitDatabases(readConfig(process.env)),
});
