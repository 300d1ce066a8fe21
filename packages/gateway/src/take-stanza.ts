import type { Failure, Outcome } from '@stox/kernel'
import type { InboundEnvelope } from '@stox/link'
import { parseStanzaText } from '@stox/xmpp'
import type { IqStanza, MessageStanza, PresenceStanza } from '@stox/xmpp'
import { STANZA_CONDITIONS } from '@stox/kernel'
import type { StanzaCondition } from '@stox/kernel'
import { bounced, misaddressed, unreadable } from './bounce.ts'

export interface TakeStanzaDeps {
  message(envelope: InboundEnvelope, message: MessageStanza): Promise<Outcome>
  presence(envelope: InboundEnvelope, presence: PresenceStanza): Promise<Outcome>
  iq(iq: IqStanza): Promise<Outcome>
}

const isStanzaCondition = (condition: string): condition is StanzaCondition =>
  (STANZA_CONDITIONS as readonly string[]).includes(condition)

const refused = (failure: Failure): Promise<Outcome> => Promise.resolve(bounced(failure))

/** What an edge hands us, read as from a stranger: the edge has checked it, and so do we. */
export function takeStanza(deps: TakeStanzaDeps, envelope: InboundEnvelope): Promise<Outcome> {
  const parsed = parseStanzaText(envelope.stanzaXml)
  if (!parsed.ok) {
    const { condition, detail } = parsed.failure
    return refused(unreadable(isStanzaCondition(condition) ? condition : 'bad-request', detail))
  }
  const stanza = parsed.value
  if (stanza.from.domain !== envelope.remoteDomain || stanza.to.domain !== envelope.localDomain)
    return refused(misaddressed(`a stanza from ${stanza.from.domain} to ${stanza.to.domain} in an envelope for others`))

  switch (stanza.kind) {
    case 'message':
      return deps.message(envelope, stanza)
    case 'presence':
      return deps.presence(envelope, stanza)
    case 'iq':
      return deps.iq(stanza)
  }
}
