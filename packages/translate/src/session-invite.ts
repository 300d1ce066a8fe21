import { newSipRequest, withTag } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { ALLOWED_METHODS } from './failure-to-sip.ts'
import type { SipBody } from './message-to-sip.ts'

/** What may be sent to us where there are sessions. */
export const sessionMethods = `${ALLOWED_METHODS}, INVITE, ACK, CANCEL, BYE, INFO`

/** What a request in a session says of its words; who, to whom and by which way its dialog knows. */
const OF_CONTENT: readonly string[] = [
  // Where the server wants one in a MESSAGE.
  'Contact',
  'Subject',
  'In-Reply-To',
  'Content-Language',
  'Date',
  'P-Asserted-Identity',
  'User-Agent',
]

export const inSessionHeaders = ({ headers }: SipRequest): readonly SipHeaderEntry[] =>
  OF_CONTENT.flatMap((name) => headers.all(name).map((value): SipHeaderEntry => [name, value]))

/** The INVITE for whom a MESSAGE is, in the call that the MESSAGE would have had. @see RFC 7573 §4 */
export const sessionInvite = (message: SipRequest, fromTag: string, contact: string, offer: SipBody): SipRequest =>
  newSipRequest({
    method: 'INVITE',
    uri: message.uri,
    from: withTag(message.core.from, fromTag),
    to: message.core.to,
    callId: message.core.callId,
    cseq: message.core.cseq.number,
    headers: [
      ['Contact', `<${contact}>`],
      ['Allow', sessionMethods],
      ...message.headers.all('P-Asserted-Identity').map((value): SipHeaderEntry => ['P-Asserted-Identity', value]),
      ['User-Agent', 'stox'],
    ],
    contentType: offer.contentType,
    body: offer.body,
  })
