import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

export interface ServerAnswer {
  readonly status: number
  readonly headers?: readonly string[]
}

/** The least SIP server that there can be, over UDP: it answers everything as it is told, or is silent. */
export class SipServer {
  readonly heard: string[] = []
  answer: (method: string) => ServerAnswer | undefined = () => ({ status: 200 })
  readonly #socket: Socket = createSocket('udp4')

  static async listen(address: string, port: number): Promise<SipServer> {
    const server = new SipServer()
    server.#socket.bind(port, address)
    await once(server.#socket, 'listening')
    return server
  }

  private constructor() {
    this.#socket.on('message', (bytes, from) => {
      const text = bytes.toString()
      const [method = ''] = text.split(' ')
      this.heard.push(method)
      const answer = this.answer(method)
      if (answer === undefined || method.startsWith('SIP/')) return
      const kept = text.split('\r\n').filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line))
      const lines = [`SIP/2.0 ${answer.status} So`, ...kept, ...(answer.headers ?? []), 'Content-Length: 0', '', '']
      this.#socket.send(lines.join('\r\n'), from.port, from.address)
    })
  }

  /** How many requests of a method it has heard. */
  count(method: string): number {
    return this.heard.filter((one) => one === method).length
  }

  close(): Promise<void> {
    return new Promise((done) => this.#socket.close(() => done()))
  }
}
