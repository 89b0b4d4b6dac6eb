/** Camera: asks about what it sees now, as fast as answers come; a frame is never queued, and none is kept. */

import { byId } from "./dom.js";

const LONGEST_SIDE = 640; // what models see is smaller still
const SMOOTHING = 0.2;

const REASONS = {
  NotAllowedError: "The browser was not allowed to use the camera.",
  NotFoundError: "This device has no camera.",
  NotReadableError: "The camera is in use by another program.",
};

/** Browsers hand out live cameras over https and on the machine itself only. */
export const liveAllowed = () => window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);

/** Fires `answer` with {answer, perSecond}, `trouble` with a sentence, `stopped`. */
export class Camera extends EventTarget {
  #video = byId("video");
  #canvas = document.createElement("canvas");
  #ask;
  #stream = null;
  #away = false;
  #rest = new AbortController();
  #devices = [];
  #device = null; // the one that was changed to

  /** @param ask blob, signal → answer. */
  constructor(ask) {
    super();
    this.#ask = ask;
    document.addEventListener("visibilitychange", () => this.#seen(!document.hidden));
  }

  get on() {
    return Boolean(this.#stream) || this.#away;
  }

  /** Whether there is another camera to change to. */
  get several() {
    return this.#devices.length > 1;
  }

  /** Starts looking; false if there is nothing to look with. */
  async start() {
    const wanted = this.#device ? { deviceId: { exact: this.#device } } : { facingMode: { ideal: "environment" } };
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 1920 } } });
    } catch (error) {
      this.#tell("stopped");
      this.#tell("trouble", REASONS[error.name] ?? "The camera could not be started.");
      return false;
    }
    this.#rest = new AbortController();
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#devices = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    this.#look(this.#rest.signal);
    return true;
  }

  /** Lets go of the camera. */
  stop() {
    this.#away = false;
    this.#release();
    this.#tell("stopped");
  }

  /** Changes to the next camera. */
  async change() {
    const current = this.#stream.getVideoTracks()[0].getSettings().deviceId;
    const at = this.#devices.findIndex(({ deviceId }) => deviceId === current);
    this.#release();
    this.#device = this.#devices[(at + 1) % this.#devices.length].deviceId;
    await this.start();
  }

  /** The present frame in full, as a photo. */
  async photo() {
    const blob = await this.#frame(Infinity, 0.92);
    const time = new Date().toISOString().slice(0, 19).replace("T", " ").replaceAll(":", ".");
    return new File([blob], `camera ${time}.jpg`, { type: blob.type });
  }

  async #look(signal) {
    let last = performance.now();
    let intervalMs = null;
    while (!signal.aborted) {
      try {
        const answer = await this.#ask(await this.#frame(LONGEST_SIDE, 0.85), signal);
        if (signal.aborted) return;
        const took = performance.now() - last;
        last += took;
        intervalMs = intervalMs === null ? took : intervalMs + SMOOTHING * (took - intervalMs);
        this.#tell("answer", { answer, perSecond: 1000 / intervalMs });
        await this.#next();
      } catch (error) {
        if (signal.aborted) return;
        this.stop();
        this.#tell("trouble", error.message);
      }
    }
  }

  #frame(longest, quality) {
    const { videoWidth: width, videoHeight: height } = this.#video;
    const scale = Math.min(1, longest / Math.max(width, height));
    Object.assign(this.#canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", quality));
  }

  /** Resolves with the next frame: the same one is not asked about twice. */
  #next() {
    return new Promise((resolve) =>
      this.#video.requestVideoFrameCallback
        ? this.#video.requestVideoFrameCallback(resolve)
        : requestAnimationFrame(resolve),
    );
  }

  async #seen(visible) {
    if (!visible && this.#stream) {
      this.#away = true;
      this.#release();
    } else if (visible && this.#away) {
      this.#away = false;
      await this.start();
    }
  }

  #release() {
    this.#rest.abort();
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#video.srcObject = null;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
