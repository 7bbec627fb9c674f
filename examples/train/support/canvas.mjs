/** Pictures, letters and rectangles on one canvas, as RGBA bytes. */

/** Rows of 5 dots from the top, a digit in base 32 each; what hangs below the line has more than 7. */
const GLYPHS = new Map(
  [
    ...`A ehhvhhh B uhhuhhu C ehggghe D uhhhhhu E vgguggv F vgguggg G ehgnhhe H hhhvhhh I e44444e J 72222ic
  K hikokih L ggggggv M hrllhhh N hhpljhh O ehhhhhe P uhhuggg Q ehhhlid R uhhukih S fgge11u T v444444
  U hhhhhhe V hhhhha4 W hhhllla X hha4ahh Y hhha444 Z v1248gv a 00e1fhf b ggmphhu c 00egghe d 11djhhf
  e 00ehvge f 698s888 g 00fhhhf1e h ggmphhh i 40c444e j 2062222ic k ggikoki l c44444e m 00qllhh n 00mphhh
  o 00ehhhe p 00uhhhugg q 00fhhhf11 r 00mpggg s 00fge1u t 88s8896 u 00hhhjd v 00hhha4 w 00hhlla x 00ha4ah
  y 00hhhhf1e z 00v248v 0 ehjlphe 1 4c4444e 2 eh1248v 3 v2421he 4 26aiv22 5 vgu11he 6 68guhhe 7 v124888
  8 ehhehhe 9 ehhf12c . 00000cc , 00000cc48 : 0cc0cc0 % op248j3 - 000v000 + 044v440 ( 2488842 ) 8422248
  / 01248g0 = 00v0v00 ? eh12404 ' 4480000`.matchAll(/(\S) (\S+)/g),
  ].map(([, letter, rows]) => [letter, rows]),
)

const INK = [30, 34, 42]
export const PAPER = [255, 255, 255]
/** Dots from letter to letter, and from line to line. */
const ADVANCE = 6
const LINE = 9

/** What a text takes, in pixels. */
export const widthOf = (text, scale = 2) => text.length * ADVANCE * scale
export const heightOf = (scale = 2) => LINE * scale

export class Canvas {
  constructor(width, height, paper = PAPER) {
    this.width = width
    this.height = height
    this.data = new Uint8ClampedArray(width * height * 4)
    this.fill(0, 0, width, height, paper)
  }

  fill(left, top, width, height, [red, green, blue]) {
    const right = Math.min(this.width, left + width)
    for (let y = Math.max(0, top); y < Math.min(this.height, top + height); y++) {
      for (let x = Math.max(0, left); x < right; x++) {
        const at = (y * this.width + x) * 4
        this.data[at] = red
        this.data[at + 1] = green
        this.data[at + 2] = blue
        this.data[at + 3] = 255
      }
    }
  }

  /**
   * A picture of `shape` [height, width, channels], one channel from 0 (black) to 1 (white), or three of a
   * colour; a value as `scale` pixels a side.
   */
  picture(left, top, values, [h, w, channels = 1], scale) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const at = (y * w + x) * channels
        const color = [0, 1, 2].map((k) => 255 * values[at + (channels === 3 ? k : 0)])
        this.fill(left + x * scale, top + y * scale, scale, scale, color)
      }
    }
  }

  /** Letters of 5 x 7 dots from (left, top) on, a dot as `scale` pixels a side. */
  text(left, top, text, { scale = 2, color = INK } = {}) {
    ;[...text].forEach((letter, i) => {
      ;[...(GLYPHS.get(letter) ?? '')].forEach((digit, row) => {
        for (let dot = 0; dot < 5; dot++)
          if ((Number.parseInt(digit, 32) >> (4 - dot)) & 1)
            this.fill(left + (i * ADVANCE + dot) * scale, top + row * scale, scale, scale, color)
      })
    })
  }
}

const MARGIN = 12
const GAP = 4

/**
 * A sheet of pictures: rows with a word before each, and a line above them all.
 *
 * @param rows { label, pictures, space }: numbers of pictures of `shape`, one after the other; space: pixels
 *   above the row, beside the gap
 * @param options shape of one; title; scale: pixels of a value; columns: words above the columns;
 *   gap: pixels between pictures
 */
export function sheetOf(rows, { shape, title, scale = 3, columns, gap = GAP }) {
  const [h, w, channels = 1] = shape
  const size = h * w * channels
  const [cellWidth, cellHeight] = [w * scale + gap, h * scale + gap]
  const indent = MARGIN + Math.max(0, ...rows.map(({ label = '' }) => (label ? widthOf(label) + 8 : 0)))
  const most = Math.max(...rows.map(({ pictures }) => pictures.length / size))
  const head = MARGIN + (title ? heightOf() + 8 : 0) + (columns ? heightOf() + 2 : 0)
  const space = rows.reduce((total, row) => total + (row.space ?? 0), 0)
  const canvas = new Canvas(
    Math.max(indent + most * cellWidth, MARGIN + widthOf(title ?? '')) + MARGIN - gap,
    head + space + rows.length * cellHeight + MARGIN - gap,
  )
  if (title) canvas.text(MARGIN, MARGIN, title)
  columns?.forEach((word, i) => {
    const middle = indent + i * cellWidth + (w * scale) / 2
    canvas.text(Math.round(middle - widthOf(word) / 2), head - heightOf() - 2, word)
  })
  let top = head
  for (const { label = '', pictures, space: above = 0 } of rows) {
    top += above
    canvas.text(MARGIN, top + Math.round((h * scale - heightOf()) / 2), label)
    for (let i = 0; i < pictures.length / size; i++)
      canvas.picture(indent + i * cellWidth, top, pictures.subarray(i * size, (i + 1) * size), shape, scale)
    top += cellHeight
  }
  return canvas
}
