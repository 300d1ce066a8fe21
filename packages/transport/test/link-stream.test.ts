import type { Http2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import { endFrame } from '@stox/link'
import { LinkStream } from '../src/link-stream.ts'

/** The stream, with a reader at the other end that reads when it is told to. */
class Line extends Duplex {
  readonly written: string[] = []
  #taken: (() => void) | undefined

  constructor() {
    super({ writableHighWaterMark: 100, decodeStrings: true })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk.toString())
    this.#taken = done
  }

  takeOne(): void {
    const done = this.#taken
    this.#taken = undefined
    done?.()
  }

  close(): void {
    this.destroy()
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const frame = (message: string): Buffer => Buffer.from([0, 0, 0, 0, message.length, ...Buffer.from(message)])

function stage(options: { readonly farewell?: Uint8Array } = {}) {
  const line = new Line()
  const toSay: string[] = []
  const heard: string[] = []
  const ended: string[] = []
  let isOver = false
  const stream = new LinkStream({
    stream: line as unknown as Http2Stream,
    readMaxBytes: 64,
    take: () => {
      const said = toSay.splice(0).join(' ')
      return said === '' ? undefined : Buffer.from(said)
    },
    isOver: () => isOver,
    heard: (message) => heard.push(Buffer.from(message).toString()),
    ended: (problem) => ended.push(problem),
    ...options,
  })
  const say = (text: string): void => {
    toSay.push(text)
    stream.poke()
  }
  const finish = (): void => {
    isOver = true
    stream.poke()
  }
  return { line, stream, say, finish, toSay, heard, ended }
}

test('what is said in one turn of the event loop leaves as one frame', async () => {
  const { line, say } = stage()
  say('one')
  say('two')
  expect(line.written).toEqual([])
  await turn()
  expect(line.written).toEqual(['one two'])
})

test('while the other side does not read, nothing is taken; then all of it at once', async () => {
  const { line, say, toSay } = stage()
  say('x'.repeat(200))
  await turn()
  for (const text of ['one', 'two', 'three']) {
    say(text)
    await turn()
  }
  expect(toSay).toEqual(['one', 'two', 'three'])
  expect(line.written).toHaveLength(1)
  line.takeOne()
  await turn()
  await turn()
  expect(line.written.slice(1)).toEqual(['one two three'])
})

test('the last words leave before the end, a server with a farewell', async () => {
  const { line, say, finish } = stage({ farewell: endFrame() })
  say('goodbye')
  finish()
  await turn()
  line.takeOne()
  await turn()
  expect(line.written).toEqual(['goodbye', Buffer.from(endFrame()).toString()])
  expect(line.writableEnded).toBe(true)
})

test('messages are heard whole, however they were cut', async () => {
  const { line, heard } = stage()
  const bytes = Buffer.concat([frame('one'), frame('two')])
  for (const byte of bytes) line.push(Buffer.from([byte]))
  await turn()
  await turn()
  expect(heard).toEqual(['one', 'two'])
})

test.each<[string, (line: Line) => void, string]>([
  [
    'a message that is too long',
    (line) => [frame('x'.repeat(65)), frame('late')].forEach((bytes) => line.push(bytes)),
    'a message of 65 bytes, where 64 are allowed',
  ],
  [
    'the end of the other side',
    (line) => [endFrame(), frame('late')].forEach((bytes) => line.push(bytes)),
    'the other side has closed the stream',
  ],
  ['a stream that closes', (line) => line.push(null), 'the other side has closed the stream'],
  ['a connection that breaks', (line) => line.destroy(new Error('broken')), 'broken'],
])('%s is told once, and nothing is heard behind it', async (_case, act, problem) => {
  const { line, heard, ended } = stage()
  act(line)
  await turn()
  await turn()
  line.destroy()
  await turn()
  expect(ended).toEqual([problem])
  expect(heard).toEqual([])
})
