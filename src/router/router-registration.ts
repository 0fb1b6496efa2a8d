import type { Logger } from '../engine/logger.ts';
import type { RouterId } from '../schema/ids.ts';
import { type RouterRegistration as RouterDocument, routersPrefix } from '../schema/routing.ts';
import { Registry } from '../store/registry.ts';
import { RegistryNamespace } from '../store/registry-namespace.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';

export interface RouterRegistrationOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly router: RouterId;
}

/** Keeps `/routing/routers/<router>` saying what is live, on a lease of the router's own, and absent while routes may not be. */
export class RouterRegistration {
  readonly #router: RouterId;
  readonly #registry: Registry;

  constructor({ store, clock, logger, router }: RouterRegistrationOptions) {
    this.#router = router;
    this.#registry = new Registry({
      ...{ store, clock, namespace: new RegistryNamespace(store, routersPrefix) },
      onTrouble: (err) => logger.warn({ err }, 'registration failed'),
    });
  }

  /** What to say from now on; undefined takes it back. */
  say(document: RouterDocument | undefined): void {
    if (document === undefined) this.#registry.withdraw(this.#router);
    else this.#registry.publish(this.#router, JSON.stringify(document));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#registry.run(signal);
  }
}
