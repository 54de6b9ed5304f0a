import { drawShapes } from './zone-layer.js';

/**
 * What one canvas shows.
 * @typedef {object} Scene
 * @property {number} width of the frame in pixels; coordinates of tracks are in them
 * @property {number} height
 * @property {?CanvasImageSource} image null: a plain background
 * @property {object[]} tracks as the live feed has them
 * @property {object[]} regions classes of panoptic and semantic models, likewise
 * @property {?{zones: object[], lines: object[]}} [shapes] of the camera, as in /api/v1/cameras
 * @property {Map<string, {kind: string, text: string, ghost: ?object}>} [marks] what to highlight, by track id
 */

/** Layers from back to front; each is a function of (context, scene, scale in canvas pixels per frame pixel). */
const LAYERS = [drawImage, drawRegions, drawMasks, drawShapes, drawMarks, drawLabels];

const FONT_PX = 12;
const MARK_COLORS = { class: '#ffd23f', mask: '#ffd23f', new: '#5ee08a', retracted: '#ff5a52', merged: '#c79bff' };

/** Draws a scene at the resolution of the screen, so that lines and text stay sharp at each size of the canvas. */
export function drawScene(canvas, scene) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round((canvas.clientWidth || scene.width) * ratio);
  const height = Math.round(width * scene.height / scene.width);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    canvas.style.aspectRatio = `${scene.width} / ${scene.height}`;
  }
  const context = canvas.getContext('2d');
  for (const layer of LAYERS) {
    context.save();
    layer(context, scene, width / scene.width, ratio);
    context.restore();
  }
}

/** Text that stands for the canvas. */
export function describeScene(camera, frame, { tracks, regions }) {
  const names = [...tracks.map(track => `${track.label} ${track.number}`), ...regions.map(region => region.label)];
  return `Camera ${camera}, frame ${frame}: ${names.length ? names.join(', ') : 'no tracks'}`;
}

function drawImage(context, scene) {
  const { width, height } = context.canvas;
  context.fillStyle = '#20262e';
  context.fillRect(0, 0, width, height);
  if (scene.image) context.drawImage(scene.image, 0, 0, width, height);
}

function drawRegions(context, scene, scale) {
  context.globalAlpha = 0.35;
  for (const region of scene.regions) {
    context.fillStyle = region.color;
    context.fill(outline(region, scale), 'evenodd');
  }
}

function drawMasks(context, scene, scale, ratio) {
  context.lineJoin = 'round';
  for (const track of scene.tracks) {
    const path = outline(track, scale);
    context.globalAlpha = track.state === 'lost' ? 0.15 : 0.35;
    context.fillStyle = track.color;
    // Rings inside others are holes.
    context.fill(path, 'evenodd');
    context.globalAlpha = 1;
    context.strokeStyle = track.color;
    context.lineWidth = 2 * ratio;
    context.stroke(path);
  }
}

function drawMarks(context, scene, scale, ratio) {
  const byId = new Map(scene.tracks.map(track => [track.id, track]));
  for (const [id, mark] of scene.marks ?? []) {
    const track = mark.ghost ?? byId.get(id);
    if (!track) continue;
    const path = outline(track, scale);
    context.setLineDash([]);
    context.strokeStyle = '#000';
    context.lineWidth = 5 * ratio;
    context.stroke(path);
    context.setLineDash([7 * ratio, 5 * ratio]);
    context.strokeStyle = MARK_COLORS[mark.kind];
    context.lineWidth = 3 * ratio;
    context.stroke(path);
  }
}

function drawLabels(context, scene, scale, ratio) {
  context.font = `600 ${FONT_PX * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  const placed = [];
  const shown = new Set(scene.tracks.map(track => track.id));
  for (const region of scene.regions) drawLabel(context, middle(region), region.label, region.color, scale, ratio, placed);
  for (const track of scene.tracks) {
    const mark = scene.marks?.get(track.id);
    const text = `${track.label} ${track.number} ${Math.round(track.score * 100)} %`;
    const color = mark ? MARK_COLORS[mark.kind] : track.color;
    drawLabel(context, topLeft(track), mark ? `${text} ${mark.text}` : text, color, scale, ratio, placed);
  }
  for (const [id, mark] of scene.marks ?? []) {
    if (!mark.ghost || shown.has(id)) continue;
    drawLabel(context, topLeft(mark.ghost), mark.text, MARK_COLORS[mark.kind], scale, ratio, placed);
  }
}

/** Label above a point, moved so that it lies inside of the canvas and beside the labels before it. */
function drawLabel(context, corner, text, color, scale, ratio, placed) {
  if (!corner) return;
  const height = (FONT_PX + 6) * ratio;
  const width = context.measureText(text).width + 8 * ratio;
  const x = Math.max(0, Math.min(corner[0] * scale, context.canvas.width - width));
  const y = freePlace(x, corner[1] * scale - height, width, height, context.canvas.height, placed);
  context.fillStyle = color;
  context.fillRect(x, y, width, height);
  context.fillStyle = isLight(color) ? '#000' : '#fff';
  context.fillText(text, x + 4 * ratio, y + height / 2);
}

/** Contour of a track in canvas pixels; its box where it has none. */
function outline(track, scale) {
  const path = new Path2D();
  const rings = track.polygons?.length ? track.polygons : track.box ? [corners(track.box)] : [];
  for (const ring of rings) {
    for (let i = 0; i + 1 < ring.length; i += 2) {
      if (i === 0) path.moveTo(ring[0] * scale, ring[1] * scale);
      else path.lineTo(ring[i] * scale, ring[i + 1] * scale);
    }
    path.closePath();
  }
  return path;
}

/** Nearest place for a label at or above `start`, else below it, that no other label has. */
function freePlace(x, start, width, height, bottom, placed) {
  const last = Math.max(0, bottom - height);
  const first = Math.max(0, Math.min(start, last));
  const isFree = y => placed.every(other => y + height <= other.y || y >= other.y + height
    || x + width <= other.x || x >= other.x + other.width);
  const places = [first];
  for (let y = first - height; y >= 0; y -= height) places.push(y);
  for (let y = first + height; y <= last; y += height) places.push(y);
  const y = places.find(isFree) ?? first;
  placed.push({ x, y, width });
  return y;
}

const corners = ([x, y, w, h]) => [x, y, x + w, y, x + w, y + h, x, y + h];

function topLeft(track) {
  if (track.box) return [track.box[0], track.box[1]];
  const ring = track.polygons?.[0];
  return ring?.length ? [ring[0], ring[1]] : null;
}

/** Middle of the box around the largest part of a region. */
function middle({ polygons: [ring = []] }) {
  const centre = values => (Math.min(...values) + Math.max(...values)) / 2;
  return ring.length ? [0, 1].map(axis => centre(ring.filter((_, index) => index % 2 === axis))) : null;
}

/** True where black text has more contrast than white on the colour `#rrggbb` (relative luminance of WCAG 2). */
function isLight(color) {
  const [r, g, b] = [1, 3, 5].map(start => {
    const value = parseInt(color.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
}
