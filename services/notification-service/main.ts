import { runAlone } from '@stream-processing/runtime/main.ts';
import { notificationService } from './service.ts';

await runAlone(notificationService, process.env);
