import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { LineWriter } from '../src/line-writer.ts'

let dir: string
let fd: number
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stox-lines-'))
  fd = openSync(join(dir, 'out'), 'w')
})
afterEach(() => {
  closeSync(fd)
  rmSync(dir, { recursive: true })
})
const written = (): string => readFileSync(join(dir, 'out'), 'utf8')

test('a line is written within a moment, though nothing follows it', async () => {
  new LineWriter(fd).write('one\n')
  expect(written()).toBe('')
  await pause(300)
  expect(written()).toBe('one\n')
})

test('many lines come out whole, once and in their order', async () => {
  const writer = new LineWriter(fd)
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} äß€😀\n`)
  for (const [index, line] of lines.entries()) {
    writer.write(line)
    if (index % 1000 === 0) await pause(1)
  }
  await pause(300)
  expect(written()).toBe(lines.join(''))
})

test('what waits is written before the process ends', () => {
  const writer = new LineWriter(fd)
  writer.write('one\n')
  writer.write('two\n')
  writer.flushSync()
  expect(written()).toBe('one\ntwo\n')
})

test('a destination that is gone breaks nothing', async () => {
  const writer = new LineWriter(9999)
  writer.write('one\n')
  await pause(300)
  writer.write('two\n')
  writer.flushSync()
})
