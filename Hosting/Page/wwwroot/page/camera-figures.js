import { FigureList, h, setNote, setText } from './dom.js';
import { count, decimal, duration, milliseconds, moment, percent, percentiles, words } from './format.js';

/** Latency from which a figure is marked, as operators of other systems know it. */
const LATE_MS = 2000;

const CLOCKS = { rtcp_sr: 'RTCP sender reports', file_mtime: 'date of the file', file_pts: 'time in the file' };

/** State of a camera in words, and its figures: part of the card and of the camera's own view. */
export class CameraFigures {
  #state = h('span.chip');
  #overload = h('span.chip', { 'data-tone': 'bad', hidden: true }, 'Overloaded');
  #since = h('span.muted');
  #reason = h('p.reason', { hidden: true });
  #warnings = h('ul.warnings', { 'aria-label': 'Warnings', hidden: true });
  #figures = new FigureList([
    'Frames in / out', 'Dropped', 'Provisional p50 / p95', 'Final p50 / p95', 'Latency from', 'Clock', 'Active tracks',
  ]);

  constructor() {
    const line = h('p.state', {}, this.#state, ' ', this.#overload, ' ', this.#since);
    this.element = h('div.camera-figures', {}, line, this.#reason, this.#warnings, this.#figures.element);
  }

  /** @param {object} camera as in /api/v1/cameras */
  update(camera) {
    setText(this.#state, words(camera.state));
    this.#state.dataset.tone = stateTone(camera);
    this.#overload.hidden = !camera.overloaded;
    setText(this.#since, camera.since ? `since ${moment(camera.since)}` : '');
    setNote(this.#reason, reasonText(camera));
    this.#showWarnings(camera.warnings ?? []);
    this.#showFigures(camera);
  }

  #showWarnings(warnings) {
    this.#warnings.hidden = warnings.length === 0;
    if (this.#warnings.dataset.text === warnings.join('\n')) return;
    this.#warnings.dataset.text = warnings.join('\n');
    this.#warnings.replaceChildren(...warnings.map(warning => h('li', {}, warning)));
  }

  #showFigures(camera) {
    const latency = camera.latency ?? {};
    const clock = camera.clock ?? {};
    const dropped = percent(camera.dropped_share, 1);
    const offset = clock.offset_ms == null ? '' : `, offset ${milliseconds(clock.offset_ms)}`;
    this.#figures.set('Frames in / out', `${decimal(camera.fps_in)} / ${decimal(camera.fps_out)} fps`);
    this.#figures.set('Dropped', camera.drop_reason ? `${dropped} (${words(camera.drop_reason)})` : dropped,
      camera.dropped_share >= 0.05 ? 'warn' : '');
    this.#figures.set('Provisional p50 / p95', percentiles(latency.provisional), lateTone(latency.provisional));
    this.#figures.set('Final p50 / p95', percentiles(latency.final));
    this.#figures.set('Latency from', words(latency.from));
    this.#figures.set('Clock', (CLOCKS[clock.source] ?? words(clock.source)) + offset);
    this.#figures.set('Active tracks', count(camera.active_tracks));
  }
}

/** Why no frames are expected from a camera now; null when they are. */
export function expectNoFrames(camera) {
  if (camera.state === 'disabled') return 'Disabled';
  if (camera.run === 'ended') return 'Ended';
  return null;
}

function stateTone({ state, run }) {
  if (run === 'failed' || state === 'offline') return 'bad';
  if (state === 'degraded' || state === 'starting') return 'warn';
  return state === 'online' ? 'good' : 'off';
}

function reasonText({ reason, detail, attempt, next_retry_s: retry, run }) {
  const parts = [];
  if (reason && reason !== 'ok') parts.push(detail ? `${words(reason)}: ${detail}` : words(reason));
  else if (detail) parts.push(detail);
  if (attempt > 0) parts.push(`attempt ${attempt}`);
  if (retry != null) parts.push(`next attempt in ${duration(Math.ceil(retry))}`);
  if (run === 'failed') parts.push('not tried again');
  return parts.length ? parts.join(' · ') : null;
}

const lateTone = latency => latency?.p95_ms >= LATE_MS ? 'bad' : '';
