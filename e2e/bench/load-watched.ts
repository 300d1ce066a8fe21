import { SIP } from '../src/stage.ts'
import { nobody, type LoadEnd, type LoadListener } from './load-end.ts'
import type { SipLoad } from './load-sip.ts'

interface Dialog {
  readonly callId: string
  /** Header lines of our NOTIFYs. */
  readonly from: string
  readonly to: string
  readonly target: string
  cseq: number
}

/** SIP users whom a partner's users watch: everybody who subscribes may, and is told of each change in a NOTIFY. */
export class WatchedSipUsers implements LoadEnd {
  listener: LoadListener = nobody
  readonly #sip: SipLoad
  readonly #address: string
  readonly #dialogs = new Map<string, Dialog>()
  #sent = 0

  constructor(sip: SipLoad, address: string) {
    this.#sip = sip
    this.#address = address
    sip.other = (head) => this.#take(head)
  }

  /** A change of one of them, in turn. */
  send(seq: number): void {
    const users = this.#dialogs.size
    const user = sipUserOf(seq % users)
    const dialog = this.#dialogs.get(user)
    if (dialog === undefined) throw new Error(`nobody watches ${user}`)
    this.#sip.post(this.#notify(user, dialog, `m:${seq}:`))
  }

  flush(): void {
    this.#sip.flush()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #take(head: string): readonly string[] {
    if (!head.startsWith('SUBSCRIBE ')) return []
    const line = (name: string): string =>
      head
        .split('\r\n')
        .find((one) => one.startsWith(`${name}: `))
        ?.slice(name.length + 2) ?? ''
    const user = /sip:([^@>]+)@/.exec(line('To'))?.[1] ?? ''
    const to = line('To').includes(';tag=') ? line('To') : `${line('To')};tag=${user}`
    const expires = line('Expires')
    const answer =
      `SIP/2.0 200 OK\r\nVia: ${line('Via')}\r\nFrom: ${line('From')}\r\nTo: ${to}\r\nCall-ID: ${line('Call-ID')}\r\n` +
      `CSeq: ${line('CSeq')}\r\nContact: <sip:${user}@${this.#address}>\r\nExpires: ${expires}\r\nContent-Length: 0\r\n\r\n`
    const known = this.#dialogs.get(user)
    const dialog: Dialog = {
      callId: line('Call-ID'),
      from: to,
      to: line('From'),
      target: /<([^>]+)>/.exec(line('Contact'))?.[1] ?? '',
      cseq: known?.callId === line('Call-ID') ? known.cseq : 0,
    }
    this.#dialogs.set(user, dialog)
    return [answer, this.#notify(user, dialog, '')]
  }

  #notify(user: string, dialog: Dialog, note: string): string {
    dialog.cseq += 1
    this.#sent += 1
    const body =
      `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:${user}@${SIP}">` +
      `<tuple id="desk"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
    return (
      `NOTIFY ${dialog.target} SIP/2.0\r\nVia: SIP/2.0/UDP ${this.#address};branch=z9hG4bKn${this.#sent}\r\nMax-Forwards: 70\r\n` +
      `From: ${dialog.from}\r\nTo: ${dialog.to}\r\nCall-ID: ${dialog.callId}\r\nCSeq: ${dialog.cseq} NOTIFY\r\n` +
      `Contact: <sip:${user}@${this.#address}>\r\nEvent: presence\r\nSubscription-State: active;expires=3600\r\n` +
      `Content-Type: application/pidf+xml\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    )
  }
}

export const sipUserOf = (at: number): string => `d${at}`
