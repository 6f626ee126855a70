// `mirror`: the copy at another place.
#include "config/declaration/sections.h"

namespace sb::config {

Declaration<MirrorConfig> mirror_section() {
  using S = S3Config;
  auto s3 = declare<S>("How to reach the bucket.")
                .text("endpoint", &S::endpoint,
                      {.about = "Address of the service, such as http://127.0.0.1:9000; empty is AWS in that region."})
                .text("region", &S::region, {.about = "The region that requests are signed for."})
                .secret("access_key", &S::access_key, {.about = "The access key's id."})
                .secret("secret_key", &S::secret_key, {.about = "The secret that belongs to it."})
                .boolean("path_style", &S::path_style,
                         {.about = "Name the bucket in the path (host/bucket) instead of in the host (bucket.host)."})
                .integer("part_mb", &S::part_mb,
                         {.about = "Objects larger than this are uploaded in parts of this size.",
                          .unit = "MiB",
                          .min = 5,
                          .max = 1'024})
                .integer("retain_days", &S::retain_days,
                         {.about = "Object Lock: segments cannot be deleted for so long, by anybody; 0 asks for none.",
                          .unit = "days",
                          .max = 36'500});
  using M = MirrorConfig;
  return declare<M>("A copy of everything at another place, from which a lost machine is made again.")
      .text("url", &M::url, {.about = "A folder, or s3://BUCKET[/PREFIX]; empty is no mirror."})
      .choice(
          "mode", &M::mode, {{"async", MirrorMode::async}, {"before-ack", MirrorMode::before_ack}},
          {.about = "`before-ack` answers after the state is in the mirror too, so that nothing acknowledged is ever "
                    "lost, and needs data.durability sync; `async` follows with the lag that /metrics shows."})
      .secret(
          "key", &M::key,
          {.about = "32 bytes (raw, hex or base64) that seal everything in the mirror. Keep it elsewhere: a restore "
                    "needs it, and nothing else."})
      .integer(
          "snapshot_hours", &M::snapshot_hours,
          {.about = "A snapshot of the whole database is put into the mirror when the last one is so old, so that a "
                    "restore need not apply everything since the beginning.",
           .unit = "hours",
           .min = 1,
           .max = 8'760})
      .integer("snapshot_mb", &M::snapshot_mb,
               {.about = "And when so much was sent since the last one: it bounds what a restore has to apply.",
                .unit = "MiB",
                .min = 1,
                .max = 1'048'576})
      .integer(
          "keep_days", &M::keep_days,
          {.about = "Older segments and snapshots stay for so long after a newer snapshot was read back whole; with "
                    "s3.retain_days at least for those. 0 keeps the newest snapshot and what follows it.",
           .unit = "days",
           .max = 36'500})
      .section("s3", &M::s3, s3);
}

}  // namespace sb::config
