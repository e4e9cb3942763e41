// The page: who is here by the events stream, me by WHIP, everybody else by WHEP.

import { Publication, Subscription } from "/static/sessions.js";
import { Tile, columns } from "/static/tile.js";

const AGAIN_MS = 1000;
const LOUD = 0.02;

const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const me = { channel: "", uid: "", own: new Map(), presence: null };
const others = new Map(); // key -> { info, tile, subscription }
const listeners = new Set();

const keyOf = (uid, source) => JSON.stringify([uid, source]);
const state = (name) => (document.documentElement.dataset.state = name);

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => ($("toast").hidden = true), 6000);
}

// --- me ---------------------------------------------------------------------------------------

async function devices() {
  const picture = { width: { ideal: 1280 }, height: { ideal: 720 } };
  const wishes = [
    { audio: true, video: picture },
    { audio: true, video: false },
    { audio: false, video: picture },
  ];
  let trouble;
  for (const wish of wishes) {
    try {
      return await navigator.mediaDevices.getUserMedia(wish);
    } catch (error) {
      trouble = error;
    }
  }
  throw trouble;
}

async function join(channel, uid) {
  Object.assign(me, { channel, uid });
  state("joining");
  $("join").disabled = true;
  $("door-trouble").textContent = "";
  try {
    await publish(await devices(), "camera");
  } catch (error) {
    leave(error.message);
    return;
  }
  history.replaceState(null, "", `?${new URLSearchParams({ channel, uid })}`);
  document.title = `${channel} · Tapefarm room`;
  $("place").textContent = channel;
  $("join").disabled = false;
  state("in");
  listen();
}

async function publish(stream, source) {
  const publication = new Publication(stream, { codec: asked.get("codec") });
  const tile = new Tile(me.uid, source, { own: true });
  const own = { publication, tile, muted: { audio: false, video: false }, present: false };
  me.own.set(source, own);
  tile.play(stream);
  showOwn(own);
  try {
    await publication.publish(me.channel, me.uid, source);
  } catch (error) {
    unpublish(source);
    throw error;
  }
  $("stage").append(tile.node);
  publication.onLost(() => republish(source));
  arrange();
}

function unpublish(source) {
  const own = me.own.get(source);
  if (!own) return;
  me.own.delete(source);
  own.publication.close();
  own.tile.node.remove();
  if (source === "screen") pressed("screen", false);
  arrange();
}

// The room lost us (it restarted, or the network failed): come back as we were.
async function republish(source) {
  const before = me.own.get(source);
  if (!before) return;
  const stream = new MediaStream(before.publication.stream.getTracks().map((track) => track.clone()));
  unpublish(source);
  try {
    await publish(stream, source);
    const own = me.own.get(source);
    for (const kind of ["audio", "video"]) if (before.muted[kind]) await mute(own, kind, true);
  } catch (error) {
    if (source === "camera") leave(`The connection was lost: ${error.message}`);
    else toast(`The screen is no longer shared: ${error.message}`);
  }
}

function showOwn({ publication, tile, muted }) {
  const kinds = publication.stream.getTracks().map((track) => track.kind);
  tile.show({ picture: kinds.includes("video"), sound: kinds.includes("audio"), muted });
}

async function mute(own, kind, muted) {
  await own.publication.mute(kind, muted);
  own.muted[kind] = muted;
  pressed(kind, muted);
  showOwn(own);
}

function pressed(id, is) {
  $(id).setAttribute("aria-pressed", String(is));
}

function leave(trouble = "") {
  me.presence?.close();
  for (const source of [...me.own.keys()]) unpublish(source);
  for (const key of [...others.keys()]) forget(key);
  listeners.clear();
  for (const id of ["audio", "video", "screen"]) pressed(id, false);
  $("place").textContent = "";
  $("join").disabled = false;
  $("door-trouble").textContent = trouble;
  state("out");
  count();
}

async function shareScreen() {
  if (me.own.has("screen")) return unpublish("screen");
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
  stream.getVideoTracks()[0].addEventListener("ended", () => unpublish("screen"));
  await publish(stream, "screen");
  pressed("screen", true);
}

// --- everybody else ---------------------------------------------------------------------------

function listen() {
  const presence = new EventSource(`/channels/${encodeURIComponent(me.channel)}/events`);
  me.presence = presence;
  const on = (name, handle) =>
    presence.addEventListener(name, ({ data }) => {
      handle(JSON.parse(data));
      count();
    });
  on("snapshot", reconcile);
  on("joined", came);
  on("left", ({ uid, source }) => (uid === me.uid ? lostOwn(source) : forget(keyOf(uid, source))));
  on("muted", muted);
  on("listener_joined", ({ uid }) => listeners.add(uid));
  on("listener_left", ({ uid }) => listeners.delete(uid));
}

function reconcile(snapshot) {
  const there = new Set(snapshot.publishers.map(({ uid, source }) => keyOf(uid, source)));
  for (const key of [...others.keys()]) if (!there.has(key)) forget(key);
  for (const info of snapshot.publishers) came(info);
  for (const [source, own] of [...me.own]) {
    if (own.present && !there.has(keyOf(me.uid, source))) republish(source);
  }
  listeners.clear();
  for (const uid of snapshot.listeners) listeners.add(uid);
}

function came(info) {
  if (info.uid === me.uid) {
    const own = me.own.get(info.source);
    if (own) own.present = true;
    return;
  }
  const key = keyOf(info.uid, info.source);
  if (others.get(key)?.info.joined_ns === info.joined_ns) return;
  forget(key);
  const tile = new Tile(info.uid, info.source, { own: false });
  others.set(key, { info, tile, subscription: null });
  $("stage").append(tile.node);
  show(others.get(key));
  arrange();
  subscribe(key);
}

function lostOwn(source) {
  if (!me.own.get(source)?.present) return;
  if (source === "screen") unpublish(source);
  else leave("The room ended this session. Has somebody else joined with your uid?");
}

function muted({ uid, source, kind, muted: is }) {
  const other = others.get(keyOf(uid, source));
  if (!other) return;
  other.info.muted[kind] = is;
  show(other);
}

function show({ info, tile }) {
  const kinds = info.tracks.map((track) => track.kind);
  tile.show({ picture: kinds.includes("video"), sound: kinds.includes("audio"), muted: info.muted });
}

async function subscribe(key) {
  const other = others.get(key);
  if (!other) return;
  const { uid, source, tracks } = other.info;
  const subscription = new Subscription(tracks.map((track) => track.kind));
  const again = () => {
    subscription.close();
    if (others.get(key) === other) setTimeout(subscribe, AGAIN_MS, key);
  };
  other.subscription = subscription;
  other.tile.play(subscription.stream);
  subscription.onLost(again);
  try {
    await subscription.subscribe(me.channel, uid, source);
  } catch {
    again(); // gone meanwhile, then an event says so; or the room is full, then later
  }
}

function forget(key) {
  const other = others.get(key);
  if (!other) return;
  others.delete(key);
  other.subscription?.close();
  other.tile.node.remove();
  arrange();
}

// --- the look ---------------------------------------------------------------------------------

function count() {
  const people = new Set([...others.values()].map(({ info }) => info.uid));
  if (me.own.size) people.add(me.uid);
  $("here").textContent = people.size ? `${people.size} here` : "nobody here";
  $("here").classList.toggle("some", people.size > 0);
  $("watching").textContent = `${listeners.size} listening`;
  $("watching").title = [...listeners].join(", ");
  $("watching").hidden = listeners.size === 0;
}

function arrange() {
  const { children, clientWidth, clientHeight } = $("stage");
  $("stage").style.setProperty("--columns", columns(children.length, clientWidth, clientHeight));
  count();
}

function listenForVoices() {
  for (const { tile, subscription, info } of others.values()) {
    tile.speaking(!info.muted.audio && (subscription?.loudness() ?? 0) > LOUD);
  }
}

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  join($("channel").value.trim(), $("uid").value.trim());
});
for (const kind of ["audio", "video"]) {
  $(kind).addEventListener("click", () => {
    const own = me.own.get("camera");
    if (own) mute(own, kind, !own.muted[kind]).catch((error) => toast(error.message));
  });
}
$("screen").addEventListener("click", () => {
  shareScreen().catch((error) => error.name !== "NotAllowedError" && toast(error.message));
});
$("leave").addEventListener("click", () => leave());
addEventListener("pagehide", () => leave());
new ResizeObserver(arrange).observe($("stage"));
setInterval(listenForVoices, 200);

$("channel").value = asked.get("channel") ?? "";
$("uid").value = asked.get("uid") ?? String(1000 + Math.floor(Math.random() * 9000));
($("channel").value ? $("uid") : $("channel")).focus();
if (asked.get("autojoin") === "1") join($("channel").value, $("uid").value);
