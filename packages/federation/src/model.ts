import { z } from 'zod'
import { localDomainSchema, type LocalDomain } from './local-domain.ts'
import { xmppPartnerSchema, type XmppPartner } from './partner.ts'
import { DEFAULT_SETTINGS, settingsSchema, type Settings } from './settings.ts'

/** Who may talk to whom: everything that administrators decide, at one revision. */
export interface FederationModel {
  readonly partners: readonly XmppPartner[]
  readonly settings: Settings
  readonly localDomains: readonly LocalDomain[]
  /** Grows with every change; zero before the first. */
  readonly revision: number
}

export const EMPTY_MODEL: FederationModel = { partners: [], settings: DEFAULT_SETTINGS, localDomains: [], revision: 0 }

/** `federation.yaml`: the first content of the model. */
export const federationFileSchema = z
  .strictObject({
    settings: settingsSchema.prefault({}),
    localDomains: z
      .array(localDomainSchema)
      .max(10_000)
      .default([])
      .describe('The domains served here, each with its SIP route.'),
    partners: z
      .array(xmppPartnerSchema)
      .max(100_000)
      .default([])
      .describe('The XMPP partners with which messages and presence may be exchanged.'),
  })
  .describe('The federation model as a file.')
export type FederationFile = z.output<typeof federationFileSchema>

/** A model as it travels between edge and gateway: read again as a stranger's input. */
export const federationModelSchema = z.strictObject({
  ...federationFileSchema.shape,
  revision: z.int().min(0),
}) satisfies z.ZodType<FederationModel>
