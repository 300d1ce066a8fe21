import type { Ids } from '@stox/kernel'
import { newSipResponse } from '@stox/sip'
import type { SipHeaderEntry } from '@stox/sip'
import type { IncomingSipRequest } from '@stox/transport'

/** No to a request that makes no dialog. */
export const refuse = (
  { ids }: { readonly ids: Ids },
  { request, respond }: IncomingSipRequest,
  status: number,
  headers: readonly SipHeaderEntry[] = [],
): void => respond(newSipResponse(request, status, undefined, { toTag: ids.token(), headers }))
