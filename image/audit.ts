/** `audit`: are the books of this installation in order? For where there is the image and nothing else of the project. */
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { readConfig } from '@stream-processing/runtime/config.ts';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import { runAudit } from '../proofs/audit/command.ts';

await runAudit({
  name: 'audit',
  about:
    'Looks at the installation that DATABASE_URL (or USER_DATABASE_URL …) names, as every service has it in its environment.',
  args: process.argv.slice(3),
  async visit() {
    const { databaseUrls } = readConfig(process.env);
    const missing = SERVICES.filter((service) => !databaseUrls[service]);
    if (missing.length > 0)
      throw new StartupError(`DATABASE_URL is missing: where are the data of ${missing.join(', ')}?`);
    return { urls: databaseUrls as Record<ServiceName, string>, close: async () => {} };
  },
});
