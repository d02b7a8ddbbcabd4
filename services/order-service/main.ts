import { runAlone } from '@stream-processing/runtime/main.ts';
import { orderService } from './service.ts';

await runAlone(orderService, process.env);
