/** Pictures: one drawn by code, files, the camera; and what to do where they cannot be had. */

/** The longest side that filters see, in pixels: a file's, and the camera's. */
const LONGEST = 640
const CAMERA = 480
/** Of a file, and of what it decodes to: beyond, browsers fail late and silently. */
const MOST_BYTES = 64 << 20
const MOST_PIXELS = 120e6

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`

/** A canvas whose pixels are read often. */
export function canvasOf(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  return [canvas, canvas.getContext('2d', { willReadFrequently: true })!]
}

/** The coast at dusk: edges of every direction, soft and hard ones, fine stripes and plain areas. */
export function testPicture(): ImageData {
  const [width, height] = [600, 400]
  const [, to] = canvasOf(width, height)
  const fill = (color: string | CanvasGradient, points: readonly number[]) => {
    to.fillStyle = color
    to.beginPath()
    for (let i = 0; i < points.length; i += 2) to.lineTo(points[i]!, points[i + 1]!)
    to.fill()
  }
  const sky = to.createLinearGradient(0, 0, 0, 260)
  for (const [at, color] of [
    [0, '#23395d'],
    [0.55, '#8a7a9b'],
    [0.85, '#f0a878'],
    [1, '#ffd9a0'],
  ] as const)
    sky.addColorStop(at, color)
  fill(sky, [0, 0, width, 0, width, 260, 0, 260])
  to.fillStyle = '#fff3d6'
  to.beginPath()
  to.arc(210, 196, 40, 0, 7)
  to.fill()
  fill('#5d5a7d', [0, 222, 70, 170, 140, 214, 230, 150, 330, 236, 420, 196, 600, 244, 600, 262, 0, 262])
  fill('#2c5273', [0, 258, width, 258, width, height, 0, height])
  to.strokeStyle = '#ffd9a055'
  for (let row = 0; row < 22; row++) {
    to.lineWidth = 1 + row / 14
    to.beginPath()
    for (let x = 0; x <= width; x += 6)
      to.lineTo(x, 266 + row * 6.3 + (1 + row / 7) * Math.sin(x / (9 + row) + row * 2.1))
    to.stroke()
  }
  fill('#1f2a33', [330, 400, 372, 330, 440, 300, 520, 296, 600, 320, 600, 400])
  // The lighthouse: stripes, a gallery, a lamp and its beams.
  fill('#fff6d233', [478, 92, 0, 20, 0, 84])
  fill('#fff6d233', [478, 92, 600, 62, 600, 118])
  for (let stripe = 0; stripe < 6; stripe++) {
    const [top, bottom] = [112 + stripe * 32, 144 + stripe * 32]
    const half = (y: number) => 15 + (y - 112) / 14
    fill(stripe % 2 ? '#f4f1ea' : '#c8402f', [
      ...[478 - half(top), top, 478 + half(top), top, 478 + half(bottom), bottom, 478 - half(bottom), bottom],
    ])
  }
  fill('#22282e', [456, 108, 500, 108, 500, 114, 456, 114])
  fill('#fff2b0', [466, 80, 490, 80, 490, 108, 466, 108])
  fill('#22282e', [462, 80, 478, 62, 494, 80])
  // A boat, and a fence of thin posts.
  fill('#7a2f26', [92, 318, 196, 318, 178, 344, 110, 344])
  fill('#f4f1ea', [146, 226, 146, 310, 204, 310])
  fill('#d8d2c4', [140, 240, 140, 310, 96, 310])
  to.fillStyle = '#e8e2d4'
  for (let post = 0; post < 12; post++) to.fillRect(366 + post * 9, 352 - post * 1.5, 3, 34)
  fill('#e8e2d4', [360, 362, 476, 342, 476, 346, 360, 366])
  return to.getImageData(0, 0, width, height)
}

/** Anything that can be drawn, within a square of `longest`. */
export function pixelsOf(
  source: CanvasImageSource,
  width: number,
  height: number,
  longest = LONGEST,
): ImageData {
  const scale = Math.min(1, longest / Math.max(width, height))
  const [w, h] = [Math.max(3, Math.round(width * scale)), Math.max(3, Math.round(height * scale))]
  const [, context] = canvasOf(w, h)
  context.imageSmoothingQuality = 'high'
  context.drawImage(source, 0, 0, w, h)
  try {
    return context.getImageData(0, 0, w, h)
  } catch {
    throw new Error(FOREIGN)
  }
}

const FOREIGN =
  'This picture belongs to another site, which does not let pages read it. Save it to this machine first, then drop the file here.'

/** Width and height that a PNG or JPEG says of itself, before anything is decoded. */
async function sizeIn(file: Blob): Promise<[number, number] | undefined> {
  const head = new DataView(await file.slice(0, 1 << 18).arrayBuffer())
  if (head.byteLength > 24 && head.getUint32(0) === 0x89504e47)
    return [head.getUint32(16), head.getUint32(20)]
  if (head.byteLength < 4 || head.getUint16(0) !== 0xffd8) return undefined
  for (let at = 2; at + 9 < head.byteLength; at += 2 + head.getUint16(at + 2)) {
    const marker = head.getUint8(at + 1)
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return [head.getUint16(at + 7), head.getUint16(at + 5)]
  }
  return undefined
}

/** A file as pixels. */
export async function readPicture(file: Blob & { name?: string }): Promise<ImageData> {
  const name = file.name ? `“${file.name}”` : 'This'
  if (file.size > MOST_BYTES)
    throw new Error(
      `${name} has ${megabytes(file.size)}; up to ${megabytes(MOST_BYTES)} fit here. Make it smaller first, 2000 pixels wide, say.`,
    )
  const size = await sizeIn(file)
  if (size && size[0] * size[1] > MOST_PIXELS)
    throw new Error(
      `${name} has ${size[0]} × ${size[1]} pixels, more than a page can hold. Make it smaller first, 2000 pixels wide, say.`,
    )
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(file)
  } catch {
    throw new Error(
      `${name} is no picture that this browser can read, or it is broken. PNG, JPEG, WebP and GIF work; open it elsewhere and save it as one of them.`,
    )
  }
  const { width, height } = bitmap
  try {
    return pixelsOf(bitmap, width, height)
  } finally {
    bitmap.close()
  }
}

/** What was dropped or pasted: a file, or why there is none. */
export function fileOf(data: DataTransfer | null): File {
  const file = data?.files[0]
  if (file) return file
  if (data?.types.includes('text/uri-list') || data?.types.includes('text/html')) throw new Error(FOREIGN)
  throw new Error('There was no file in this. Drop a picture from a folder of this machine.')
}

const REFUSALS: Record<string, string> = {
  NotAllowedError:
    'The camera was refused. To allow it, click the camera or lock sign beside the address and load the page again; the test picture and photos work without.',
  NotFoundError: 'No camera was found. Plug one in, or take a photo from a file.',
  NotReadableError: 'Another program uses the camera. Close it, then try again.',
  SecurityError: 'This host forbids the camera to its pages. Open the page elsewhere, or take a photo.',
}

/** The camera, frame by frame, until it is stopped. */
export async function openCamera(onFrame: (frame: ImageData) => Promise<unknown>): Promise<() => void> {
  if (!navigator.mediaDevices?.getUserMedia)
    throw new Error(
      'Browsers give the camera to pages from https: or localhost only. Take a photo from a file.',
    )
  const stream = await navigator.mediaDevices
    .getUserMedia({ video: { width: { ideal: 640 }, facingMode: 'environment' } })
    .catch((error: DOMException) => {
      throw new Error(REFUSALS[error.name] ?? `The camera does not start: ${error.message}`)
    })
  const video = document.createElement('video')
  video.muted = true
  video.playsInline = true
  video.srcObject = stream
  await video.play()
  let on = true
  const loop = async () => {
    if (!on) return
    if (video.videoWidth) await onFrame(pixelsOf(video, video.videoWidth, video.videoHeight, CAMERA))
    requestAnimationFrame(loop)
  }
  requestAnimationFrame(loop)
  return () => {
    on = false
    for (const track of stream.getTracks()) track.stop()
  }
}
