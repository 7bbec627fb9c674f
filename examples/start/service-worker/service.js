// Service workers know no import maps: the package's addresses. A bundler writes them for you.

import { sobel } from '/node_modules/filterbank/dist/image.js'
import { createEngine } from '/node_modules/filterbank/dist/index.js'

addEventListener('install', () => skipWaiting())
addEventListener('activate', (event) => event.waitUntil(clients.claim()))
addEventListener('fetch', (event) => {
  if (event.request.url.includes('/edges/'))
    event.respondWith(edges(event.request.url.replace('/edges/', '/')))
})

let starting
async function edges(url) {
  starting ??= createEngine()
  const engine = await starting
  const bitmap = await createImageBitmap(await (await fetch(url)).blob())
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
  const context = canvas.getContext('2d')
  context.drawImage(bitmap, 0, 0)
  const photo = context.getImageData(0, 0, bitmap.width, bitmap.height)
  context.putImageData(new ImageData(sobel(photo, { engine }).data, photo.width), 0, 0)
  return new Response(await canvas.convertToBlob({ type: 'image/png' }))
}
