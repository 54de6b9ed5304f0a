/** Stands for a figure that is not there. */
export const NONE = '–';

const grouped = new Intl.NumberFormat('en');

/** Count with thousands separators. */
export const count = value => value == null ? NONE : grouped.format(value);

/** Number with fixed decimals. */
export const decimal = (value, digits = 1) => value == null ? NONE : value.toFixed(digits);

/** Share 0 … 1 in per cent. */
export const percent = (share, digits = 0) => share == null ? NONE : `${(share * 100).toFixed(digits)} %`;

/** Milliseconds; from 1000 on in seconds. */
export function milliseconds(value) {
  if (value == null) return NONE;
  if (Math.abs(value) >= 1000) return `${(value / 1000).toFixed(Math.abs(value) < 10_000 ? 2 : 1)} s`;
  return `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} ms`;
}

/** Median and 95th percentile of a latency. */
export function percentiles(latency) {
  if (latency?.p50_ms == null) return NONE;
  return `${milliseconds(latency.p50_ms)} / ${milliseconds(latency.p95_ms)}`;
}

/** Duration in its two largest units. */
export function duration(seconds) {
  if (seconds == null) return NONE;
  const units = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  let rest = Math.floor(seconds);
  return units.slice(first, first + 2).map(([unit, size]) => {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    return `${whole} ${unit}`;
  }).join(' ');
}

/** Bytes in binary units. */
export function bytes(value) {
  if (value == null) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
  return `${decimal(value / 1024 ** power, power ? 1 : 0)} ${units[power]}`;
}

/** Local time of day of an ISO 8601 instant. */
export function timeOfDay(instant) {
  return instant ? new Date(instant).toLocaleTimeString('en-GB') : NONE;
}

/** Local date and time of an ISO 8601 instant; the time only when it is of today. */
export function moment(instant) {
  if (!instant) return NONE;
  const date = new Date(instant);
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString('en-CA')} ${time}`;
}

/** Snake-case word as text. */
export const words = name => name ? name.replaceAll('_', ' ') : NONE;

/** Name of a track on the page: label and the number at the end of its id. */
export const trackName = track => `${track.label ?? 'track'} ${track.number ?? trackNumber(track.id)}`;

/** Number at the end of a track id `{epoch}-{number}`. */
export const trackNumber = id => id.slice(id.lastIndexOf('-') + 1);
