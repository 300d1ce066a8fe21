import { until } from '@stox/testkit'
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { SipUdpSocket } from '../src/sip-udp.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
const open: { close(): unknown }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

const onError = (error: Error): void => {
  throw error
}

async function peer(): Promise<{ readonly socket: Socket; readonly heard: string[]; readonly port: number }> {
  const socket = createSocket('udp4')
  const heard: string[] = []
  socket.on('message', (bytes) => heard.push(bytes.toString()))
  socket.bind(0, LOOPBACK.host)
  await once(socket, 'listening')
  open.push({ close: () => socket.close() })
  return { socket, heard, port: socket.address().port }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n))

describe('datagrams leave together', () => {
  test('all of them and in order, however many are said in one turn', async () => {
    const there = await peer()
    const here = await SipUdpSocket.open(LOOPBACK, () => undefined, onError)
    open.push(here)
    for (const text of numbers(150)) here.send(Buffer.from(text), { host: LOOPBACK.host, port: there.port }, onError)
    await until(() => there.heard.length === 150)
    expect(there.heard).toEqual(numbers(150))
  })

  test('what was said before the end is still sent', async () => {
    const there = await peer()
    const here = await SipUdpSocket.open(LOOPBACK, () => undefined, onError)
    here.send(Buffer.from('last words'), { host: LOOPBACK.host, port: there.port }, onError)
    await here.close()
    await until(() => there.heard.length === 1)
    expect(there.heard).toEqual(['last words'])
  })

  test('each learns by itself that it could not be sent', async () => {
    const here = await SipUdpSocket.open(LOOPBACK, () => undefined, onError)
    open.push(here)
    const failed: string[] = []
    const there = await peer()
    const to = { host: LOOPBACK.host, port: there.port }
    here.send(Buffer.from('one'), to, () => failed.push('one'))
    here.send(Buffer.alloc(65_508), to, () => failed.push('too large'))
    here.send(Buffer.from('three'), to, () => failed.push('three'))
    await until(() => there.heard.length === 2 && failed.length === 1)
    expect([there.heard, failed]).toEqual([['one', 'three'], ['too large']])
  })
})

describe('datagrams are taken together', () => {
  test('in order, and what is answered to them leaves in order', async () => {
    const taken: string[] = []
    const here = await SipUdpSocket.open(
      LOOPBACK,
      (bytes, remote, socket) => {
        taken.push(bytes.toString())
        socket.send(bytes, remote, onError)
      },
      onError,
    )
    open.push(here)
    const there = await peer()
    for (const text of numbers(60)) there.socket.send(text, here.local.port, here.local.host)
    await until(() => there.heard.length === 60)
    expect([taken, there.heard]).toEqual([numbers(60), numbers(60)])
  })

  test('nothing is taken after the end', async () => {
    const taken: string[] = []
    const here = await SipUdpSocket.open(
      LOOPBACK,
      (bytes, _remote, socket) => {
        taken.push(bytes.toString())
        void socket.close()
      },
      onError,
    )
    open.push(here)
    const there = await peer()
    for (const text of numbers(20)) there.socket.send(text, here.local.port, here.local.host)
    await until(() => taken.length > 0)
    await new Promise((resolve) => void setImmediate(resolve))
    expect(taken).toEqual(['0'])
  })
})
