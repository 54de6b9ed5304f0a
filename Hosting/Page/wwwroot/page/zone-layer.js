const FONT_PX = 12;
const COLOR = '#27d3f5';

/**
 * Layer of a scene: zones and lines of the camera, each with its name; a zone with its count, a line with an arrow
 * that points from its left to its right.
 * @param {{shapes?: {zones: object[], lines: object[]}}} scene shapes as in /api/v1/cameras
 */
export function drawShapes(context, { shapes }, scale, ratio) {
  if (!shapes) return;
  const place = ([x, y]) => [x * context.canvas.width, y * context.canvas.height];
  context.lineJoin = 'round';
  context.font = `600 ${FONT_PX * ratio}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  for (const { name, polygon, count } of shapes.zones) {
    if (polygon.length === 0) continue;
    const corners = polygon.map(place);
    const path = polyline(corners, true);
    context.globalAlpha = 0.1;
    context.fillStyle = COLOR;
    context.fill(path, 'evenodd');
    context.globalAlpha = 1;
    stroke(context, path, ratio);
    const top = corners.reduce((a, b) => b[1] < a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a);
    drawName(context, `${name}: ${count}`, top, ratio);
  }

  for (const { name, points } of shapes.lines) {
    if (points.length === 0) continue;
    const [start, end] = points.map(place);
    stroke(context, polyline([start, end], false), ratio);
    stroke(context, arrow(start, end, 14 * ratio), ratio);
    drawName(context, name, start, ratio);
  }
}

function polyline(points, closed) {
  const path = new Path2D();
  points.forEach(([x, y], index) => index === 0 ? path.moveTo(x, y) : path.lineTo(x, y));
  if (closed) path.closePath();
  return path;
}

/** From the middle of a line towards its right, as seen from its start; y points downwards. */
function arrow([ax, ay], [bx, by], size) {
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [dx, dy] = [(bx - ax) / length, (by - ay) / length];
  const [x, y] = [(ax + bx) / 2, (ay + by) / 2];
  const at = (along, right) => [x + dx * along - dy * right, y + dy * along + dx * right];
  const path = polyline([[x, y], at(0, size * 1.6)], false);
  path.addPath(polyline([at(-size / 2, size), at(0, size * 1.6), at(size / 2, size)], false));
  return path;
}

/** With a dark border, so that it is seen on each image. */
function stroke(context, path, ratio) {
  context.strokeStyle = '#000';
  context.lineWidth = 5 * ratio;
  context.stroke(path);
  context.strokeStyle = COLOR;
  context.lineWidth = 2.5 * ratio;
  context.stroke(path);
}

function drawName(context, text, [left, top], ratio) {
  const height = (FONT_PX + 6) * ratio;
  const width = context.measureText(text).width + 8 * ratio;
  const x = Math.max(0, Math.min(left, context.canvas.width - width));
  const y = Math.max(0, Math.min(top, context.canvas.height - height));
  context.fillStyle = '#000';
  context.fillRect(x, y, width, height);
  context.fillStyle = COLOR;
  context.fillText(text, x + 4 * ratio, y + height / 2);
}
