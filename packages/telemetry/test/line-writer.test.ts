import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LineWriter } from '../src/line-writer.ts'

let dir: string
let file: string
let fd: number
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stox-lines-'))
  file = join(dir, 'log')
  fd = openSync(file, 'a')
})
afterEach(() => {
  closeSync(fd)
  rmSync(dir, { recursive: true })
})

const written = (): string => readFileSync(file, 'utf8')
const line = (n: number): string => `${n} ${'ä'.repeat(n % 300)}\n`
const lines = (count: number): string => Array.from({ length: count }, (_, n) => line(n)).join('')

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 8000
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error('not in time')
    await sleep(5)
  }
}

test('many lines arrive whole and in their order, in a few pieces', async () => {
  const writer = new LineWriter(fd)
  for (let n = 0; n < 5000; n += 1) {
    writer.write(line(n))
    if (n % 1000 === 0) await sleep(1)
  }
  await until(() => written().length === lines(5000).length)
  expect(written()).toBe(lines(5000))
})

test('one line alone does not wait for others', async () => {
  new LineWriter(fd).write('alone\n')
  await until(() => written() === 'alone\n')
})

test('what waits at the end is written by flush', () => {
  const writer = new LineWriter(fd)
  writer.write('last\n')
  writer.write('words\n')
  writer.flush()
  expect(written()).toBe('last\nwords\n')
})

test('a reader that does not read costs a bounded memory', () => {
  const writer = new LineWriter(fd)
  const long = `${'x'.repeat(1 << 20)}\n`
  // Nothing can be written before this turn of the event loop is over.
  for (let n = 0; n < 40; n += 1) writer.write(long)
  writer.flush()
  expect(written().length).toBeLessThan(18 * (1 << 20))
})
