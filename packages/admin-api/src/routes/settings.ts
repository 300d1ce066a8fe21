import { randomBytes } from 'node:crypto'
import { DEFAULT_SETTINGS, mergePatch, settingsSchema, type Settings } from '@stox/federation'
import type { Versioned } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { changeModel, optionsOf, type ChangeOptions } from '../change-model.ts'
import { etagOf, requireMatch } from '../etag.ts'
import type { AdminDeps } from '../ports.ts'
import { changeQuery, ifMatchHeaders, mergePatchSchema, parseOrThrow, refusals } from '../schemas.ts'

const tags = ['Settings']
const KEY = 'settings'

/** What is read is what may be written back: the fields of our own are ignored on the way in. */
const settingsInput = settingsSchema.extend({
  dialbackPassphrase: settingsSchema.shape.dialbackPassphrase
    .unwrap()
    .optional()
    .describe(
      'Secret from which dialback keys are made, at least 16 characters; write-only. Left out: stays as it is. null: a new one is made up.',
    ),
  dialbackPassphraseSet: z.unknown().optional().describe('Ignored.'),
  revision: z.unknown().optional().describe('Ignored.'),
})
const settingsView = settingsSchema.omit({ dialbackPassphrase: true }).extend({
  dialbackPassphraseSet: z.boolean().describe('Whether a dialback passphrase is set; it is never shown.'),
  revision: z.int().describe('The revision of the model in which the settings last changed; also their ETag.'),
})

function viewOf({ value, revision }: Versioned<Settings>): z.output<typeof settingsView> {
  const { dialbackPassphrase, ...shown } = value
  // Kept before there were any: nobody is named.
  const contactAddresses = settingsSchema.shape.contactAddresses.parse(shown.contactAddresses)
  return { ...shown, contactAddresses, dialbackPassphraseSet: dialbackPassphrase !== null, revision }
}

export const settingsRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const { model } = deps.store

    /** Settings are always there: the defaults, at revision 0, until somebody changes them. */
    const current = async (): Promise<Versioned<Settings>> =>
      (await model.get('settings', KEY)) ?? { key: KEY, value: DEFAULT_SETTINGS, revision: 0 }

    const save = async (input: z.output<typeof settingsInput>, before: Versioned<Settings>, options: ChangeOptions) => {
      const {
        revision: _revision,
        dialbackPassphraseSet: _set,
        dialbackPassphrase = before.value.dialbackPassphrase,
        ...rest
      } = input
      // Never none: what is made from nothing can be made by anybody. @see XEP-0185 §3
      const value = { ...rest, dialbackPassphrase: dialbackPassphrase ?? randomBytes(32).toString('base64url') }
      const expected = before.revision === 0 ? 'absent' : before.revision
      const after = await changeModel(deps, { kind: 'settings', key: KEY, value, expected }, options)
      return viewOf(options.dryRun ? { key: KEY, value, revision: after.revision } : await current())
    }

    app.get(
      '/settings',
      {
        config: { role: 'viewer' },
        schema: { tags, summary: 'Read the settings', response: { 200: settingsView, ...refusals } },
      },
      async (_request, reply) => {
        const found = await current()
        return reply.header('etag', etagOf(found.revision)).send(viewOf(found))
      },
    )

    app.put(
      '/settings',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Replace the settings',
          querystring: changeQuery,
          headers: ifMatchHeaders,
          body: settingsInput,
          response: { 200: settingsView, ...refusals },
        },
      },
      async (request, reply) => {
        const before = await current()
        requireMatch(request.headers['if-match'], before.revision)
        const view = await save(request.body, before, optionsOf(request))
        return reply.header('etag', etagOf(view.revision)).send(view)
      },
    )

    app.patch(
      '/settings',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Change some settings',
          querystring: changeQuery,
          headers: ifMatchHeaders,
          body: mergePatchSchema,
          response: { 200: settingsView, ...refusals },
        },
      },
      async (request, reply) => {
        const before = await current()
        requireMatch(request.headers['if-match'], before.revision)
        const merged = mergePatch(parseOrThrow(z.json(), before.value), parseOrThrow(z.json(), request.body))
        const input = parseOrThrow(settingsInput, merged)
        // Left out means that it stays; so what the patch takes away has to be said.
        const whole = request.body['dialbackPassphrase'] === null ? { ...input, dialbackPassphrase: null } : input
        const view = await save(whole, before, optionsOf(request))
        return reply.header('etag', etagOf(view.revision)).send(view)
      },
    )
  }
