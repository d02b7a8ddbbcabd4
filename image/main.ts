/** What the image runs: its command names a program. Services read their settings from the environment. */
import { SERVICES } from '@stream-processing/contracts/names.ts';

const PROGRAMS: Record<string, () => Promise<unknown>> = {
  'user-service': () => import('../services/user-service/main.ts'),
  'billing-service': () => import('../services/billing-service/main.ts'),
  'notification-service': () => import('../services/notification-service/main.ts'),
  'order-service': () => import('../services/order-service/main.ts'),
  health: () => import('./health.ts'),
  scenario: () => import('./scenario.ts'),
  audit: () => import('./audit.ts'),
};

const USAGE = `usage: docker run [OPTIONS] IMAGE PROGRAM

  ${SERVICES.join('\n  ')}
                        one service, until SIGTERM; settings by -e, DATABASE_URL at least
  health [SERVICE]      does SERVICE, or any, answer in this container that it is ready?
  scenario URL...       the main job from the outside, against a gateway or four services
  audit [OPTIONS]       are the books in order? with DATABASE_URL as the services have it; --help tells the rest`;

const [program = '--help'] = process.argv.slice(2);
const start = Object.hasOwn(PROGRAMS, program) ? PROGRAMS[program] : undefined;
if (start) {
  await start();
} else if (['--help', '-h', 'help'].includes(program)) {
  console.log(USAGE);
} else {
  console.error(`there is no program ${program}\n\n${USAGE}`);
  process.exitCode = 2;
}
