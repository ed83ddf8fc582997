/**
 * Makes thumbnails of a folder of photos, one task a photo.
 *
 * Shows: a native npm package (sharp) inside a closure, captured sizes, files as items, and `ctx.store`: the images
 * go from the worker to the pool's store, and what comes back to the driver is a small handle.
 * The photos are drawn first, so that there is something to work on.
 *
 *   npx kinglet run examples/thumbnails.ts
 *   node examples/thumbnails.ts --photos 200
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openPool } from "kinglet";
import sharp from "sharp";

const { values: flags } = parseArgs({ options: { photos: { type: "string", default: "24" } } });
const count = Number(flags.photos);
const folder = await mkdtemp(path.join(tmpdir(), "kinglet-photos-"));
const sizes = [64, 256];

const pool = openPool();
try {
  // The photos are drawn on the workers as well, which may be on other machines: their bytes come back.
  const drawn = pool.map((index) => drawPhoto(index), Array(count).keys());
  for await (const { index, value } of drawn.completed()) {
    await writeFile(path.join(folder, `photo-${index}.png`), value);
  }

  const thumbs = await pool.map(
    async (photo, ctx) => {
      const image = sharp(await photo.bytes());
      const name = path.basename(photo.name, ".png");
      return Promise.all(
        sizes.map(async (size) => {
          const thumb = await image.clone().resize(size, size, { fit: "inside" }).webp().toBuffer();
          return ctx.store.put(`thumbs/${name}-${size}.webp`, thumb);
        }),
      );
    },
    pool.files(`${folder}/*.png`),
  );

  let wrong = 0;
  let totalBytes = 0;
  for (const handle of thumbs.flat()) {
    const bytes = await handle.bytes();
    const { width, height, format } = await sharp(bytes).metadata();
    const size = Number(/-(\d+)\.webp$/.exec(handle.key)?.[1]);
    if (Math.max(width, height) !== size || format !== "webp") wrong++;
    totalBytes += bytes.length;
  }
  console.log(`${thumbs.length} photos, ${thumbs.flat().length} thumbnails, ${wrong} of a wrong size`);
  console.log(`${Math.round(totalBytes / 1024)} KiB in pool.store, the first one is ${thumbs[0]?.[0]?.key}`);
  process.exitCode = wrong === 0 && thumbs.length === count ? 0 : 1;
} finally {
  await pool.close();
  await rm(folder, { recursive: true, force: true });
}

/** Draws hills under a sun; each index looks different. */
async function drawPhoto(index: number): Promise<Uint8Array> {
  const [width, height] = index % 2 === 0 ? [1200, 800] : [800, 1200];
  const hue = (index * 37) % 360;
  const sun = `<circle cx="${(width * ((index % 7) + 1)) / 8}" cy="${height / 4}" r="90" fill="hsl(${hue} 90% 75%)"/>`;
  const hills = [0.5, 0.65, 0.8].map((at, i) => {
    const top = height * at;
    const path = `M0 ${top} Q ${width / 4} ${top - 160} ${width / 2} ${top} T ${width} ${top} V ${height} H 0 Z`;
    return `<path d="${path}" fill="hsl(${hue + 90 + i * 20} 50% ${45 - i * 12}%)"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${sun}${hills.join("")}</svg>`;
  const sky = { r: 130 + (index % 5) * 20, g: 180, b: 230 };
  return sharp({ create: { width, height, channels: 3, background: sky } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}
