import { nameAddr, newSipRequest, newSipUri } from '@stox/sip'
import type { SipRequest } from '@stox/sip'

let calls = 0
/** Juliet to Romeo, each time anew. */
export const message = (): SipRequest =>
  newSipRequest({
    method: 'MESSAGE',
    uri: 'sip:romeo@montague.example',
    from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example' }), undefined, 'j1'),
    to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
    callId: `call-${(calls += 1)}`,
    cseq: 1,
    body: 'Art thou there?',
  })
