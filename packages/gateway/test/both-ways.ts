import { lossyUtf8Text, silentLog } from '@stox/kernel'
import type { Log, Outcome } from '@stox/kernel'
import { FederationIndex, localDomainSchema, xmppPartnerSchema } from '@stox/federation'
import type { SipRequest, SipResponse } from '@stox/sip'
import { Conversations } from '../src/conversations.ts'
import { deliverToSip } from '../src/deliver-to-sip.ts'
import { deliverToXmpp } from '../src/deliver-to-xmpp.ts'
import { OpaqueGruus } from '../src/opaque-gruus.ts'
import { PairQueues } from '../src/pair-queues.ts'
import { takeStanza } from '../src/take-stanza.ts'
import { besidesOf, envelopeFor, hashes, incomingOf, metrics, modelFor, newStage } from './stage.ts'
import type { Stage } from './stage.ts'

/** Both journeys over what they share. */
export interface BothWays extends Stage {
  readonly besides: ReturnType<typeof besidesOf>
  /** A stanza of romeo@montague.example/orchard to juliet@capulet.example; `attributes` may say otherwise. */
  stanza(content: string, attributes?: string, from?: string, correlationId?: string): Promise<Outcome>
  /** One that says all of itself but its namespace. */
  printed(xml: string): Promise<Outcome>
  request(request: SipRequest): Promise<SipResponse>
  bodies(): readonly string[]
}

let stanzas = 0

export function bothWays(
  messages: Readonly<Record<string, unknown>> = {},
  partner: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
  how: { readonly opaque?: boolean; readonly after?: Stage; readonly log?: Log } = {},
): BothWays {
  // A new process has nothing but the store of the last one.
  const stage = how.after ?? newStage()
  const opaqueGruus = how.opaque === true ? new OpaqueGruus(hashes, () => 'secret') : undefined
  const index = new FederationIndex(
    modelFor('federated', {
      partners: [xmppPartnerSchema.parse({ domain: 'montague.example', partnerType: 'federated', ...partner })],
      localDomains: [
        localDomainSchema.parse({
          domain: 'capulet.example',
          route: 'sip:127.0.0.1:5060;transport=tcp',
          congestionSafe: true,
          messages,
          ...more,
        }),
      ],
    }),
  )
  const conversations = new Conversations({ clock: stage.time, ids: stage.ids, hashes })
  const besides = besidesOf(stage, conversations)
  const shared = {
    ...besides,
    clock: stage.time,
    ids: stage.ids,
    log: how.log ?? silentLog,
    metrics,
    journal: stage.store.journal,
    index: () => index,
    conversations,
  }
  const toSip = {
    ...shared,
    gruu: opaqueGruus ?? ('raw' as const),
    sip: stage.sip,
    sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
    queues: new PairQueues<Outcome>(),
    hasServer: () => true,
    link: stage.link,
    giveUpMs: 12_000,
    isAuthorizedBy: () => false,
  }
  const toXmpp = {
    ...shared,
    hashes,
    link: stage.link,
    giveUpMs: 12_000,
    opaqueGruus,
    shownResource: () => undefined,
  }
  const printed = (xml: string, correlationId = `c-${(stanzas += 1)}`): Promise<Outcome> =>
    takeStanza(
      {
        message: (envelope, message) => deliverToSip(toSip, envelope, message),
        presence: () => Promise.resolve({ kind: 'absorbed', reason: 'presence-kept' }),
        iq: () => Promise.resolve({ kind: 'absorbed', reason: 'answered-here' }),
      },
      envelopeFor(xml.replace('<message', "<message xmlns='jabber:server'"), {
        correlationId,
        localDomain: String(more['domain'] ?? 'capulet.example'),
        remoteDomain: String(partner['domain'] ?? 'montague.example'),
      }),
    )
  return {
    ...stage,
    besides,
    printed,
    stanza: (content, attributes = "type='chat' id='m1'", from = 'romeo@montague.example/orchard', correlationId) =>
      printed(`<message from='${from}' to='juliet@capulet.example' ${attributes}>${content}</message>`, correlationId),
    request: async (request) => {
      const { incoming, responses } = incomingOf(request)
      await deliverToXmpp(toXmpp, incoming)
      const [response] = responses
      if (response === undefined || responses.length > 1) throw new Error(`${responses.length} responses`)
      return response
    },
    bodies: () => stage.sip.sent.map(({ request }) => lossyUtf8Text(request.body)),
  }
}
