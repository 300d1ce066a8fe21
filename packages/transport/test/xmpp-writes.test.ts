import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { VirtualTime } from '@stox/kernel'
import { XmppWrites } from '../src/xmpp-writes.ts'

/** A peer that takes a piece when it is told to. */
class Peer {
  readonly pieces: string[] = []
  readonly #taking: (() => void)[] = []
  readonly socket = new Writable({
    write: (piece: Buffer, _encoding, done) => {
      this.pieces.push(piece.toString())
      this.#taking.push(done)
    },
  }) as unknown as Socket

  take(): void {
    this.#taking.shift()?.()
  }
}

const STALL_MS = 1000

function bench(writeBufferBytes = 1000) {
  const time = new VirtualTime()
  const peer = new Peer()
  const heard: string[] = []
  let behind = ''
  const writes = new XmppWrites(
    peer.socket,
    { clock: time, timers: time, writeBufferBytes, stallTimeoutMs: STALL_MS },
    {
      beforeFlush: () => behind,
      onRoom: () => heard.push('room'),
      onStalled: () => heard.push('stalled'),
    },
  )
  const written = (what: string) => (error?: Error | null) => heard.push(`${what} ${error?.message ?? 'taken'}`)
  return { time, peer, heard, writes, written, sayBehind: (text: string) => (behind = text) }
}

/** What is put off until the end of a turn, and what a socket tells later, has been done. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('what is written in one turn leaves as one piece, with what belongs behind it', async () => {
  const { peer, heard, writes, written, sayBehind } = bench()
  writes.write('<a/>', written('a'))
  writes.write('<b/>', written('b'))
  sayBehind('<r/>')
  expect(peer.pieces).toEqual([])
  await turn()
  expect([peer.pieces, heard, writes.bytesOut, writes.isUnderWay]).toEqual([['<a/><b/><r/>'], [], 12, true])
  peer.take()
  await turn()
  expect([heard, writes.isUnderWay]).toEqual([['a taken', 'b taken'], false])
})

test('held, it waits for the next flush, which may be into another socket', async () => {
  const { peer, writes } = bench()
  const secured = new Peer()
  writes.write('<proceed/>')
  writes.hold()
  await turn()
  expect(peer.pieces).toEqual([])
  writes.flush()
  writes.moveTo(secured.socket)
  writes.write('<stream>')
  await turn()
  expect([peer.pieces, secured.pieces]).toEqual([['<proceed/>'], ['<stream>']])
})

test('room is told once, after it was full', async () => {
  const { peer, heard, writes } = bench(4)
  writes.write('<a/>')
  expect(writes.isFull).toBe(true)
  await turn()
  expect(heard).toEqual([])
  peer.take()
  await turn()
  writes.write('<b')
  await turn()
  peer.take()
  await turn()
  expect([heard, writes.isFull]).toEqual([['room'], false])
})

test('who takes nothing has stalled; whoever takes something has the whole time again', async () => {
  const { time, peer, heard, writes } = bench()
  for (const text of ['<a/>', '<b/>']) {
    writes.write(text)
    await turn()
  }
  time.advance(STALL_MS - 1)
  peer.take()
  await turn()
  time.advance(STALL_MS - 1)
  expect(heard).toEqual([])
  time.advance(1)
  expect([heard, time.armed]).toEqual([['stalled'], 0])
})

test('what has not left when it is closed is told so, and no timer is left', async () => {
  const { time, peer, heard, writes, written } = bench()
  writes.write('<a/>')
  await turn()
  writes.write('<b/>', written('b'))
  writes.close()
  await turn()
  expect([peer.pieces, heard, time.armed, writes.waitingBytes]).toEqual([
    ['<a/>'],
    ['b the connection is closed'],
    0,
    peer.socket.writableLength,
  ])
})
