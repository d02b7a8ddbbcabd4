import { runAlone } from '@stream-processing/runtime/main.ts';
import { billingService } from './service.ts';

await runAlone(billingService, process.env);
