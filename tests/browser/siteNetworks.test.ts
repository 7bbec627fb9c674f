/** Networks in the page of site/, in the system's Chromium: opened, trained, measured. */
import { readFileSync } from 'node:fs'
import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { chromiumPath, chromiumRequired } from '../support/outside.js'
import { file, numberOf, rewrite, says, Visits } from './visits.js'

describe.skipIf(!chromiumPath && !chromiumRequired)(
  `networks in the page, in ${chromiumPath ?? 'no browser'}`,
  { timeout: 240_000 },
  () => {
    const visits = new Visits()
    const visit = (hash?: string) => visits.visit(hash)
    beforeAll(() => visits.start(), 240_000)
    afterAll(() => visits[Symbol.asyncDispose]())

    describe('network', () => {
      it('has a row for each layer, with maps, time, algorithm and reason, and reads what is drawn', async () => {
        const { page, complaints, panel } = await visit()
        const network = panel('network')
        const rows = network.locator('[data-layer]')
        expect(await network.locator('.answer .big').textContent()).toBe('This is a 3')
        const conv = network.locator('[data-algorithm]').first()
        expect(await conv.textContent()).toMatch(
          /Conv.*Relu.*\d ms.*(grouped|igemm|winograd).*(channels|3x3)/,
        )
        const ink = await conv.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
          const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
          return new Set(new Uint32Array(data.buffer)).size
        })
        expect(ink).toBeGreaterThan(20)
        expect(await rows.count()).toBeGreaterThan(6)
        await network.locator('[data-clear]').click()
        await expect.poll(() => network.locator('.answer .big').textContent()).toBe('Write something')
        const pad = network.locator('.pad canvas')
        await pad.scrollIntoViewIfNeeded()
        const { x, y, width, height } = (await pad.boundingBox())!
        await page.mouse.move(x + 0.3 * width, y + 0.2 * height)
        await page.mouse.down()
        for (const [u, v] of [
          [0.7, 0.2],
          [0.55, 0.5],
          [0.45, 0.85],
        ] as const)
          await page.mouse.move(x + u * width, y + v * height, { steps: 6 })
        await page.mouse.up()
        await expect.poll(() => network.locator('.answer .big').textContent()).toBe('This is a 7')
        expect(complaints).toEqual([])
        await page.close()
      })

      it('opens models of visitors, and says why it cannot open others', async () => {
        const { page, complaints, panel } = await visit()
        const network = panel('network')
        const open = (name: string, bytes: Uint8Array) =>
          network.locator('[data-file]').setInputFiles(file(name, Buffer.from(bytes)))
        const bytes = writeModel({
          nodes: [
            {
              op: 'Conv',
              name: 'look',
              inputs: ['x', 'w'],
              outputs: ['c'],
              attributes: { pads: [1, 1, 1, 1] },
            },
            { op: 'Relu', name: 'cut', inputs: ['c'], outputs: ['r'] },
            { op: 'GlobalAveragePool', name: 'all', inputs: ['r'], outputs: ['g'] },
            { op: 'Flatten', name: 'row', inputs: ['g'], outputs: ['y'] },
          ],
          inputs: [{ name: 'x', shape: ['n', 3, 'h', 'w'] }],
          outputs: [{ name: 'y' }],
          initializers: [
            {
              name: 'w',
              shape: [5, 3, 3, 3],
              data: Float32Array.from({ length: 135 }, (_, i) => Math.sin(i)),
            },
          ],
        })
        await open('mine.onnx', bytes)
        await says(network, /mine.onnx has run/)
        expect(
          await network.locator('[data-layer]').evaluateAll((all) => all.map((e) => e.dataset['layer'])),
        ).toEqual(['look', 'all', 'row'])
        expect(await network.locator('[data-layer=look] .shape').textContent()).toContain(
          '[1 × 5 × 224 × 224]',
        )
        expect(await network.locator('.answer [data-class]').count()).toBe(5)
        await network.locator('[data-values]').selectOption('imagenet')
        await expect.poll(() => network.locator('.given').textContent()).toContain('mean: [0.485')
        await open(
          'words.onnx',
          writeModel({
            nodes: [{ op: 'Gather', name: 'look up', inputs: ['table', 'word'], outputs: ['y'] }],
            inputs: [{ name: 'word', shape: ['n', 4], type: 'int64' }],
            outputs: [{ name: 'y' }],
            initializers: [{ name: 'table', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
          }),
        )
        await says(network, /words.onnx has run/)
        expect(await network.locator('.answer').textContent()).toContain('1, 2, 3, 1, 2, 3')
        await open('cut.onnx', bytes.subarray(0, 100))
        await says(network, /cut.onnx is no model that filterbank can load: /)
        await open('notes.txt', Buffer.from('none'))
        await says(network, /notes.txt is no ONNX model. Export yours/)
        await open(
          'strange.onnx',
          writeModel({
            nodes: [{ op: 'NoSuchOp', inputs: ['x'], outputs: ['y'] }],
            inputs: [{ name: 'x', shape: [1] }],
            outputs: [{ name: 'y' }],
          }),
        )
        await says(network, /strange.onnx is no model that filterbank can load: .*NoSuchOp/)
        await network.locator('[data-model=digits]').click()
        await expect.poll(() => network.locator('.answer .big').textContent()).toMatch(/This is a \d/)
        expect(complaints).toEqual([])
        await page.close()
      })
    })

    describe('train', () => {
      const loss = async (train: Locator) =>
        Number((await train.locator('[data-loss]').getAttribute('data-loss')) || Number.NaN)

      it('learns while the page goes on, tells drawings apart, learns new ones, and gives an ONNX file', async () => {
        const { page, complaints, panel } = await visit()
        const train = panel('train')
        const code = train.locator('textarea')
        await code.fill(
          (await code.inputValue())
            .replace('const epochs = 6', 'const epochs = 2')
            .replaceAll('2400', '1200'),
        )
        const spread = train.locator('canvas[data-filters]')
        await train.locator('[data-example]').click()
        await train.locator('[data-start]').click()
        await expect.poll(() => loss(train), { timeout: 60_000 }).toBeGreaterThan(0.5)
        const early = await numberOf(spread, 'data-spread')
        // Meanwhile the rest of the page answers.
        await panel('filters').locator('select').first().selectOption('Outline')
        await says(panel('filters'), /4 filters over/)
        await expect.poll(() => train.locator('[data-start]').isEnabled(), { timeout: 120_000 }).toBe(true)
        await says(train, /Learned in/)
        expect(await loss(train)).toBeLessThan(0.4)
        expect(await numberOf(spread, 'data-spread')).not.toBe(early)
        expect(await train.locator('[data-more]').textContent()).toMatch(/after round 2 it knows \d\d/)
        await expect.poll(() => train.locator('.answer .big').textContent()).toMatch(/It says: \d/)

        const [download] = await Promise.all([
          page.waitForEvent('download'),
          train.locator('[data-download]').click(),
        ])
        expect(download.suggestedFilename()).toBe('digits.onnx')
        const engine = await createEngine({ threads: 1 })
        const model = await loadModel(engine, readFileSync(await download.path()))
        const answer = Object.values(
          model.run({ input: { data: new Float32Array(784).fill(-1), shape: [1, 1, 28, 28] } }),
        )[0]!
        expect(answer.shape).toEqual([1, 10])
        engine.dispose()

        await train.locator('[data-label]').selectOption('7')
        await train.locator('[data-teach] button').click()
        expect(await train.locator('[data-taught]').textContent()).toContain('1 of yours')
        expect(await train.locator('.given').textContent()).toContain('yours: 1')
        await train.locator('[data-start]').click()
        await expect.poll(() => loss(train), { timeout: 60_000 }).toBeGreaterThan(0)
        await train.locator('[data-stop]').click()
        await says(train, /Stopped after \d+ steps; what it learned stays/)
        expect(complaints).toEqual([])
        await page.close()
      })

      it('takes noise away, makes digits of noise, plays, and knows shapes', async () => {
        const { page, complaints, panel } = await visit('#task=denoise')
        const train = panel('train')
        for (const [task, sees] of [
          ['denoise', '[data-pictures] canvas'],
          ['gan', '[data-pictures] canvas'],
          ['policy', '[data-pictures] .film'],
          ['shapes', '[data-filters][data-spread]'],
        ] as const) {
          await train.locator(`[data-task=${task}]`).click()
          await train.locator('[data-start]').click()
          await expect.poll(() => loss(train), { timeout: 90_000, message: `loss of ${task}` }).not.toBeNaN()
          await train.locator(sees).first().waitFor({ timeout: 60_000 })
          await train.locator('[data-stop]').click()
          await says(train, /Stopped after \d+ steps/)
          expect(await train.locator('[data-download]').isEnabled()).toBe(true)
        }
        await expect.poll(() => page.url()).toContain('task=shapes')
        await rewrite(train, (code) => code.replace('learningRate: warmUp', 'learnRate: warmUp'))
        await says(train, /sgd: .*learnRate/)
        expect(complaints).toEqual([])
        await page.close()
      })
    })

    it('bench and doctor: measure this machine and tell what it has', async () => {
      const { page, complaints, panel } = await visit()
      const bench = panel('bench')
      await rewrite(
        bench,
        () =>
          "import { bench, parseLayers } from './bench.mjs'\nawait bench({ problems: parseLayers('n1 i28x28x32 o32 k3 s1 p1 # small one'), budget: 50 }, host, show)",
      )
      await says(bench, /1 layers measured/)
      const peak = await numberOf(bench.locator('[data-gflops]'), 'data-gflops')
      expect(peak).toBeGreaterThan(0.1)
      expect(peak).toBeLessThan(1e4)
      expect(await bench.locator('tbody tr').textContent()).toMatch(
        /small one.*winograd.*ms.*GFLOP\/s.*\d+ %/,
      )
      await rewrite(bench, (code) => code.replace('i28x28x32', 'i28x28'))
      await says(bench, /a layer that cannot be read/)
      const doctor = panel('doctor')
      expect(await doctor.locator('[data-facts]').textContent()).toMatch(
        /Threads1.*not cross-origin isolated/,
      )
      expect(await doctor.locator('[data-advice]').textContent()).toContain('Cross-Origin-Embedder-Policy')
      await doctor.locator('[data-start]').click()
      await says(doctor, /^$/)
      expect(complaints).toEqual([])
      await page.close()
    })
  },
)
