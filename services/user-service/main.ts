import { runAlone } from '@stream-processing/runtime/main.ts';
import { userService } from './service.ts';

await runAlone(userService, process.env);
