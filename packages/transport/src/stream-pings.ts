import type { Clock, Ids, Timer, Timers } from '@stox/kernel'
import type { DomainName, Jid, Stanza } from '@stox/xmpp'
import { formatStanza, newIq, pingElement } from '@stox/xmpp'
import type { StreamFailure } from '@stox/xmpp-engine'
import type { Stream } from './xmpp-stream.ts'

/** For the answer, which comes on a stream of the peer's that may have to be opened first. */
const ANSWER_WITHIN_MS = 60_000

const NOT_ANSWERING: StreamFailure = {
  kind: 'closed',
  reason: 'not-answering',
  detail: `no answer to our ping within ${ANSWER_WITHIN_MS / 1000} s`,
}

interface Open {
  readonly stream: Stream
  readonly remote: DomainName
  readonly timer: Timer
}

/** Our pings to partners' servers, which prove that a quiet stream of ours still leads somewhere. @see XEP-0199 §4.2 */
export class StreamPings {
  readonly #deps: { readonly clock: Clock; readonly timers: Timers; readonly ids: Ids }
  readonly #open = new Map<string, Open>()

  constructor(deps: { readonly clock: Clock; readonly timers: Timers; readonly ids: Ids }) {
    this.#deps = deps
  }

  ping(stream: Stream): void {
    const { local, remote, connection, ledger } = stream
    if (local === undefined || remote === undefined) return
    const { clock, timers, ids } = this.#deps
    const id = `ping-${ids.token()}`
    const timer = timers.arm(ANSWER_WITHIN_MS, () => {
      this.#open.delete(id)
      connection.input({
        kind: 'close',
        error: { condition: 'connection-timeout', text: 'our ping was not answered' },
        because: NOT_ANSWERING,
      })
    })
    this.#open.set(id, { stream, remote, timer })
    const xml = formatStanza(
      newIq({ from: serverAt(local), to: serverAt(remote), id, type: 'get', payload: pingElement() }),
    )
    if (ledger.ours.isOn) {
      const nowMs = clock.monotonicMs()
      ledger.ours.push({ xml, untilMs: nowMs, writtenAtMs: nowMs, isRepeat: true, settle: () => {} })
    }
    connection.writePing(xml)
  }

  /** Any answer will do, an error too. @see XEP-0199 §4.3 */
  isAnswer(stanza: Stanza): boolean {
    if (stanza.kind !== 'iq' || (stanza.type !== 'result' && stanza.type !== 'error')) return false
    const open = this.#open.get(stanza.id)
    if (open === undefined || stanza.from.domain !== open.remote) return false
    open.timer.cancel()
    this.#open.delete(stanza.id)
    return true
  }

  /** The stream is gone. */
  forget(stream: Stream): void {
    for (const [id, open] of this.#open) {
      if (open.stream !== stream) continue
      open.timer.cancel()
      this.#open.delete(id)
    }
  }
}

const serverAt = (domain: DomainName): Jid => ({ local: undefined, domain, resource: undefined })
