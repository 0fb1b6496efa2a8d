import type { Registration } from '../engine/registration.ts';
import type { RouterId } from '../schema/ids.ts';
import { type RouterRegistration, routerKey } from '../schema/routing.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { Bell } from './bell.ts';

export interface RegistrationPublisherOptions {
  readonly store: Store;
  readonly registration: Registration;
  readonly router: RouterId;
  readonly clock: Clock;
}

// Many routes may change in one second, and every write wakes the whole control plane.
const betweenWritesMs = 50;

/** Keeps `/routing/routers/<router>` saying what is live, on the router's lease, and absent while routes may not be. */
export class RegistrationPublisher {
  readonly #options: RegistrationPublisherOptions;
  readonly #bell = new Bell();
  #text: string | undefined;

  constructor(options: RegistrationPublisherOptions) {
    this.#options = options;
  }

  /** What to say from now on; undefined takes it back. */
  say(registration: RouterRegistration | undefined): void {
    this.#text = registration === undefined ? undefined : JSON.stringify(registration);
    this.#bell.ring();
  }

  run(signal: AbortSignal): Promise<void> {
    const { store, registration, router, clock } = this.#options;
    const key = routerKey(router);
    return registration.run(signal, async (lease, held) => {
      let written: string | undefined;
      while (!held.aborted) {
        const text = this.#text;
        if (text !== written) {
          const op =
            text === undefined
              ? { type: 'delete' as const, key }
              : { type: 'put' as const, key, value: text, leaseId: lease.id };
          await store.txn({ if: [], then: [op] }, { signal: held });
          written = text;
          await clock.sleep(betweenWritesMs, held);
        } else {
          await this.#bell.wait(held);
        }
      }
    });
  }
}
