/**
 * Draws docs/architecture.svg. Which services there are, what they follow and what they publish comes from the code; where
 * it stands on the page is here.
 */
import { EVENTS } from '@stream-processing/contracts/events.ts';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { readConfig } from '@stream-processing/runtime/config.ts';
import { DEFINITIONS } from '../services/definitions.ts';
import { WORDS, type Words } from './picture-words.ts';

const [WIDTH, HEIGHT] = [1200, 836];
const CARD = { width: 300, height: 330 };
const TOP = 208;

interface Place {
  x: number;
  y: number;
  width: number;
  color: string;
  /** From the top: what it hears, what it writes, and the other way in. */
  apiAbove: boolean;
}

const PLACES: Record<ServiceName, Place> = {
  'order-service': { x: 50, y: TOP, width: CARD.width, color: 'indigo', apiAbove: true },
  'billing-service': { x: 450, y: TOP, width: CARD.width, color: 'teal', apiAbove: false },
  'notification-service': { x: 850, y: TOP, width: CARD.width, color: 'amber', apiAbove: true },
  'user-service': { x: 50, y: 610, width: 1100, color: 'rose', apiAbove: true },
};

/** Offsets within a card. */
const [UPPER, MIDDLE, LOWER] = [52, 108, 272];
const BOX = 42;

export function picture(language: keyof typeof WORDS): string {
  const words = WORDS[language];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title about" lang="${language}">
<!-- Written by \`npm run documents\` from documents/picture.ts. -->
<title id="title">${words.title}</title>
<desc id="about">${words.subtitle}</desc>
<style>${STYLE}</style>
<defs>
${['line', 'event', 'quiet'].map(marker).join('\n')}
</defs>
<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="18"/>
${text(50, 52, words.title, 'title')}
${text(50, 80, words.subtitle, 'soft')}
${callers(words)}
${SERVICES.map((service) => (service === 'user-service' ? wideCard(words) : card(service, words))).join('\n')}
${chain()}
${SERVICES.flatMap((target) => DEFINITIONS[target].follows.map((source) => follows(source, target))).join('\n')}
${legend(words)}
</svg>
`;
}

function callers(words: Words): string {
  const [above, below] = [150, TOP - 4];
  return [
    pill(50, 108, 300, words.caller),
    path(`M 78 ${above} V ${below}`, 'line'),
    step(1, 78, above + 22),
    text(98, above + 27, words.place, 'code'),
    path(`M 322 ${TOP} V ${above + 2}`, 'line'),
    step(6, 322, above + 30),
    text(304, above + 35, words.answer, 'code end'),
    pill(850, 108, 300, words.reader),
    path(`M 878 ${above + 2} V ${below}`, 'line both'),
    step(7, 878, above + 27),
    text(898, above + 32, words.read, 'code'),
  ].join('\n');
}

function card(service: ServiceName, words: Words): string {
  const { x, y, width, color, apiAbove } = PLACES[service];
  const left = x + 18;
  const inner = width - 36;
  const events = eventsOf(service);
  const api = service === 'notification-service' ? [words.api[service], words.fresh] : [words.api[service]];
  const [apiAt, processorAt] = apiAbove ? [UPPER, LOWER] : [LOWER, UPPER];
  const rows = [words.rows[service], ...DEFINITIONS[service].follows.map((source) => words.cursor(source))];
  const log = y + MIDDLE + 108;
  return [
    frame(service, CARD.height),
    box(left, y + apiAt, inner, api),
    box(left, y + processorAt, inner, [`${words.processor} · inbox`]),
    `<rect class="transaction ${color}" x="${left}" y="${y + MIDDLE}" width="${inner}" height="150" rx="10"/>`,
    text(left + 14, y + MIDDLE + 22, words.transaction, `label ${color}`),
    ...rows.map((row, i) =>
      text(left + 14, y + MIDDLE + 45 + i * 20, row, i === 0 ? 'strong' : 'soft small'),
    ),
    ...(events.length > 0 ? [cells(left + 14, log, color)] : []),
    ...events.map((event, i) => text(left + 108, log + 25 - 7.5 * events.length + i * 16, event, 'code')),
    ...(STEPS[service] ?? []).map(([number, at]) => step(number, x + width - 18, y + at)),
  ].join('\n');
}

/** Which steps of an order happen in a transaction, and how far down. */
const STEPS: Partial<Record<ServiceName, [number, number][]>> = {
  'order-service': [[2, MIDDLE + 20]],
  'billing-service': [[4, MIDDLE + 20]],
};

function wideCard(words: Words): string {
  const service = 'user-service';
  const { x, y, color } = PLACES[service];
  return [
    frame(service, 112),
    box(x + 18, y + UPPER, 264, [words.api[service]]),
    `<rect class="transaction ${color}" x="${x + 330}" y="${y + 14}" width="400" height="84" rx="10"/>`,
    text(x + 344, y + 36, words.transaction, `label ${color}`),
    text(x + 344, y + 60, words.rows[service], 'strong'),
    cells(x + 344, y + 68, color),
    text(x + 438, y + 86, eventsOf(service)[0]!, 'code'),
    path(`M ${x + 282} ${y + UPPER + BOX / 2} H ${x + 328}`, 'line'),
    ...words.opens.map((line, i) => text(x + 760, y + 50 + i * 20, line, 'soft small')),
  ].join('\n');
}

function frame(service: ServiceName, height: number): string {
  const { x, y, width, color } = PLACES[service];
  return [
    `<rect class="card" x="${x}" y="${y}" width="${width}" height="${height}" rx="14"/>`,
    `<rect class="bar ${color}" x="${x + 18}" y="${y + 17}" width="6" height="20" rx="3"/>`,
    text(x + 34, y + 33, service, 'name'),
    ...(service === 'user-service'
      ? [text(x + 282, y + 33, portOf(service), 'code soft end')]
      : [text(x + width - 18, y + 33, portOf(service), 'code soft end')]),
  ].join('\n');
}

/** The three transactions that are one where a single process runs everything on one database. */
function chain(): string {
  const y = TOP + MIDDLE + 75;
  const between = (['order-service', 'billing-service'] as const).map((service) => {
    const { x, width } = PLACES[service];
    return `<path class="chain" d="M ${x + width - 18} ${y} H ${x + width + 118}"/>`;
  });
  return between.join('\n');
}

/** An arrow from the log of one service to the processor of another. */
function follows(source: ServiceName, target: ServiceName): string {
  const to = PLACES[target];
  const from = PLACES[source];
  if (source === 'user-service') {
    const x = to.x + to.width / 2;
    return path(`M ${x} ${from.y - 2} V ${to.y + CARD.height + 8}`, 'quiet');
  }
  const goesRight = to.x > from.x;
  const start = { x: goesRight ? from.x + from.width - 18 : from.x + 18, y: from.y + MIDDLE + 120 };
  const end = {
    x: goesRight ? to.x + 12 : to.x + to.width - 12,
    y: to.y + (to.apiAbove ? LOWER : UPPER) + BOX / 2,
  };
  const middle = (start.x + end.x) / 2;
  const number = STEP_OF[`${source} ${target}`];
  if (!number) throw new Error(`the picture does not know which step of an order ${source} → ${target} is`);
  return [
    path(`M ${start.x} ${start.y} C ${middle} ${start.y} ${middle} ${end.y} ${end.x} ${end.y}`, 'event'),
    step(number, middle, (start.y + end.y) / 2),
  ].join('\n');
}

const STEP_OF: Record<string, number> = {
  'order-service billing-service': 3,
  'billing-service notification-service': 5,
  'billing-service order-service': 5,
};

function legend({ legend: words }: Words): string {
  const [y, below] = [764, 802];
  return [
    path(`M 50 ${y} H 92`, 'line'),
    text(106, y + 5, words.request, 'soft small'),
    path(`M 520 ${y} H 562`, 'event'),
    text(576, y + 5, words.event, 'soft small'),
    cells(50, below - 12, 'rose'),
    text(144, below + 5, words.log, 'soft small'),
    `<path class="chain" d="M 520 ${below} H 562"/>`,
    text(576, below + 5, words.chain, 'soft small'),
  ].join('\n');
}

/** A few positions of a log. */
function cells(x: number, y: number, color: string): string {
  return [1, 2, 3]
    .map((position, i) => {
      const at = x + i * 28;
      const number = text(at + 13, y + 17, String(position), `cell-text ${color}`);
      return `<rect class="cell ${color}" x="${at}" y="${y}" width="26" height="24" rx="5"/>${number}`;
    })
    .join('');
}

function box(x: number, y: number, width: number, lines: string[]): string {
  const first = lines.length > 1 ? 18 : 26;
  return [
    `<rect class="box" x="${x}" y="${y}" width="${width}" height="${BOX}" rx="9"/>`,
    ...lines.map((line, i) => text(x + 14, y + first + i * 16, line, i === 0 ? '' : 'soft small')),
  ].join('\n');
}

function pill(x: number, y: number, width: number, label: string): string {
  return `<rect class="pill" x="${x}" y="${y}" width="${width}" height="38" rx="19"/>${text(x + width / 2, y + 25, label, 'pill-text')}`;
}

function step(number: number, x: number, y: number): string {
  return `<circle class="step" cx="${x}" cy="${y}" r="11"/>${text(x, y + 4.5, String(number), 'step-text')}`;
}

function path(d: string, kind: string): string {
  const [name] = kind.split(' ');
  const both = kind.includes('both') ? ` marker-start="url(#${name})"` : '';
  return `<path class="arrow ${name}" d="${d}" marker-end="url(#${name})"${both}/>`;
}

function marker(name: string): string {
  return `<marker id="${name}" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="head ${name}" d="M 0 0.8 L 9.5 5 L 0 9.2 z"/></marker>`;
}

function text(x: number, y: number, words: string, kind: string): string {
  return `<text x="${x}" y="${y}"${kind ? ` class="${kind}"` : ''}>${words}</text>`;
}

function eventsOf(service: ServiceName): string[] {
  return service in EVENTS ? Object.keys(EVENTS[service as keyof typeof EVENTS]) : [];
}

const portOf = (service: ServiceName) => `:${readConfig({}).ports[service]}`;

type Palette = Record<
  'page' | 'card' | 'edge' | 'box' | 'ink' | 'soft' | 'line' | 'event' | 'indigo' | 'teal' | 'amber' | 'rose',
  string
>;

const LIGHT: Palette = {
  page: '#f7f7fb',
  card: '#ffffff',
  edge: '#dcdde8',
  box: '#f2f2f8',
  ink: '#1c1d2b',
  soft: '#5f6178',
  line: '#4a4c63',
  event: '#6a4fe0',
  indigo: '#5446c9',
  teal: '#0b7f74',
  amber: '#a55a00',
  rose: '#b8326a',
};

const DARK: Palette = {
  page: '#12131c',
  card: '#1b1d2a',
  edge: '#34374c',
  box: '#242738',
  ink: '#ececf6',
  soft: '#a3a6c0',
  line: '#c3c6dd',
  event: '#a08cff',
  indigo: '#a79dff',
  teal: '#4fd6c6',
  amber: '#ffb454',
  rose: '#ff86b4',
};

// Without variables: not everything that draws SVG knows them.
const paint = (palette: Palette) => `
text { fill: ${palette.ink}; }
.page, .pill-text, .step-text { fill: ${palette.page}; }
.card { fill: ${palette.card}; stroke: ${palette.edge}; }
.box { fill: ${palette.box}; stroke: ${palette.edge}; }
.pill, .step { fill: ${palette.ink}; }
.soft { fill: ${palette.soft}; }
.chain { stroke: ${palette.soft}; }
.arrow.line { stroke: ${palette.line}; } .head.line { fill: ${palette.line}; }
.arrow.event { stroke: ${palette.event}; } .head.event { fill: ${palette.event}; }
.arrow.quiet { stroke: ${palette.rose}; } .head.quiet { fill: ${palette.rose}; }
${(['indigo', 'teal', 'amber', 'rose'] as const)
  .map(
    (color) =>
      `rect.${color} { fill: ${palette[color]}; stroke: ${palette[color]}; } text.${color} { fill: ${palette[color]}; }`,
  )
  .join('\n')}
`;

const STYLE = `
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; font-size: 14px; }
.card { stroke-width: 1.2; }
.pill-text { font-weight: 600; text-anchor: middle; }
.title { font-size: 25px; font-weight: 700; letter-spacing: -0.3px; }
.name { font-size: 16px; font-weight: 600; }
.strong { font-weight: 600; }
.small { font-size: 12.5px; }
.label { font-size: 12px; font-weight: 600; }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: 12.5px; }
.end { text-anchor: end; }
.transaction { fill-opacity: 0.08; stroke-opacity: 0.55; stroke-width: 1.4; }
.cell { fill-opacity: 0.2; stroke-width: 1; }
.cell-text { text-anchor: middle; font-size: 12px; font-weight: 600; }
.arrow { fill: none; stroke-width: 1.8; }
.arrow.event { stroke-width: 2.4; }
.arrow.quiet { stroke-dasharray: 3 5; }
.chain { fill: none; stroke-width: 6; stroke-dasharray: 1.5 6; }
.step-text { font-size: 12.5px; font-weight: 700; text-anchor: middle; }
${paint(LIGHT)}
@media (prefers-color-scheme: dark) {${paint(DARK)}}
`;
