import type { z } from 'zod'
import { federationFileSchema, type FederationModel } from '../src/model.ts'

/** A model as a file would say it, with federation on. */
export const modelOf = (file: z.input<typeof federationFileSchema>): FederationModel => ({
  ...federationFileSchema.parse({ ...file, settings: { federation: true, ...file.settings } }),
  revision: 1,
})
