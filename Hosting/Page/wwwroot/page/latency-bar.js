import { h, setText } from './dom.js';
import { milliseconds, words } from './format.js';

/** Weight of a new frame in the shown mean: about the last ten frames. */
const WEIGHT = 0.1;

/**
 * Bar of the time that a frame takes from its capture or receipt to its final result, by stage.
 */
export class LatencyBar {
  #means = new Map();
  #bar = h('div.stages', { 'aria-hidden': 'true' });
  #legend = h('ul.stage-legend');
  #total = h('p', {}, 'No frame yet.');

  constructor() {
    this.element = h('section', { 'aria-labelledby': 'latency-title' },
      h('h2', { id: 'latency-title' }, 'Latency by stage'), this.#total, this.#bar, this.#legend);
  }

  add({ frame, final }) {
    for (const [stage, ms] of stages(frame, final)) {
      const mean = this.#means.get(stage);
      this.#means.set(stage, mean == null ? ms : mean + WEIGHT * (ms - mean));
    }
    const total = [...this.#means.values()].reduce((sum, ms) => sum + ms, 0);
    setText(this.#total, `A final result is ${milliseconds(total)} old (mean of about ten frames).`);
    [...this.#means].forEach(([stage, ms], index) => this.#showStage(stage, ms, total, index));
  }

  #showStage(stage, ms, total, index) {
    const part = this.#bar.children[index]
      ?? this.#bar.appendChild(h('span', { 'data-stage': stage }));
    part.style.flexGrow = total > 0 ? ms / total : 0;
    const item = this.#legend.children[index] ?? this.#legend.appendChild(
      h('li', {}, h('span.swatch', { 'data-stage': stage, 'aria-hidden': 'true' }), h('span')));
    setText(item.lastChild, `${words(stage)} ${milliseconds(ms)}`);
  }
}

/** Stages in the order of time; what no stage accounts for is `other` before and `window` after the provisional. */
function stages(frame, final) {
  const provisional = Object.entries(frame.latency ?? {}).filter(([, ms]) => ms != null);
  const revision = Object.entries(final.latency ?? {}).filter(([, ms]) => ms != null);
  const rest = (whole, parts) => Math.max(0, (whole ?? 0) - parts.reduce((sum, [, ms]) => sum + ms, 0));
  return [
    ...provisional, ['other', rest(frame.age_ms, provisional)],
    ['window', rest(final.delay_ms, revision)], ...revision,
  ];
}
