import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { SipAddress } from './sip-endpoint-types.ts'

/** The default of some 200 kB loses messages in every burst; the system caps this to what it allows. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024
/** What fits into one datagram, with the headers of IP and UDP. */
export const MAX_DATAGRAM_BYTES = 65_507

/** Hosts are addresses here: asking the resolver for each datagram would cost as much as sending it. */
const passThrough = (
  host: string,
  family: number,
  done: (error: null, address: string, family: number) => void,
): void => done(null, host, family)

/** Sent together at most: what a receiver's buffer of the usual size has room for. */
const BURST = 64

type OnDatagram = (bytes: Buffer, remote: SipAddress, socket: SipUdpSocket) => void

interface Came {
  readonly bytes: Buffer
  readonly remote: SipAddress
}

interface Datagram {
  readonly bytes: Uint8Array
  readonly to: SipAddress
  readonly onError: (error: Error) => void
}

/**
 * One bound UDP socket: one message a datagram. What has come in one turn of the event loop is taken together, and step by
 * step for all of them, for what is done again at once is done faster. What is said in one turn leaves at its end, one
 * datagram right behind the other: who receives them is woken once and not for each, which costs the sender more than
 * the sending.
 */
export class SipUdpSocket {
  readonly local: SipAddress
  readonly family: 4 | 6
  readonly #socket: Socket
  readonly #onDatagram: OnDatagram
  #came: Came[] = []
  #due: Datagram[] = []
  #isFlushAwaited = false
  #closed = false

  private constructor(socket: Socket, family: 4 | 6, onDatagram: OnDatagram) {
    const { address, port } = socket.address()
    this.#socket = socket
    this.#onDatagram = onDatagram
    this.family = family
    this.local = { host: address, port }
  }

  /** Rejects with the system's error. */
  static open(address: SipAddress, onDatagram: OnDatagram, onError: (error: Error) => void): Promise<SipUdpSocket> {
    const family = isIPv6(address.host) ? 6 : 4
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
      lookup: passThrough as never,
    })
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close()
        reject(error)
      })
      socket.bind(address.port, address.host, () => {
        socket.removeAllListeners('error')
        socket.on('error', onError)
        const opened = new SipUdpSocket(socket, family, onDatagram)
        socket.on('message', (bytes, from) => opened.#noteCame(bytes, { host: from.address, port: from.port }))
        resolve(opened)
      })
    })
  }

  /** `onError` is called later, never at once. */
  send(bytes: Uint8Array, to: SipAddress, onError: (error: Error) => void): void {
    if (this.#closed) return
    this.#due.push({ bytes, to, onError })
    if (this.#due.length >= BURST) this.#send()
    else this.#awaitFlush()
  }

  /** The system hands out some thirty in one turn. */
  #noteCame(bytes: Buffer, remote: SipAddress): void {
    if (this.#came.length === 0) setImmediate(this.#take)
    this.#came.push({ bytes, remote })
    // Behind the taking, so that answers leave in this turn and not in the next one.
    this.#awaitFlush()
  }

  readonly #take = (): void => {
    const came = this.#came
    this.#came = []
    for (const { bytes, remote } of came) if (!this.#closed) this.#onDatagram(bytes, remote, this)
  }

  #awaitFlush(): void {
    if (this.#isFlushAwaited) return
    this.#isFlushAwaited = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#isFlushAwaited = false
    this.#send()
  }

  #send(): void {
    const due = this.#due
    this.#due = []
    for (const { bytes, to, onError } of due)
      this.#socket.send(bytes, to.port, to.host, (error) => {
        if (error !== null) onError(error)
      })
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#send()
    this.#closed = true
    return new Promise((resolve) => {
      this.#socket.close(() => resolve())
    })
  }
}
