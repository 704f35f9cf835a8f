// hew serve: the API and the page. What serves is handed to RunCli, since the server is a surface beside this one.
#include <cstdio>

#include "cli/cli.h"
#include "cli/command.h"

namespace hew {
namespace {

struct ServeOptions {
  ServeSettings settings;
  std::string key_file;
  int64_t cache_mib = 1024;
};

Result<int> RunServe(CommandContext& context, ServeOptions& options, const ServeFunction& serve) {
  ServeSettings& settings = options.settings;
  HEW_ASSIGN(settings.rt, context.MakeRuntime());
  if (!settings.model.empty()) {
    HEW_ASSIGN(settings.model, context.FindModel(settings.model));
  }
  if (options.cache_mib < 1 || options.cache_mib > (1 << 24))
    return BadInput("--cache-mib: expected 1 to {}, found {}", 1 << 24, options.cache_mib);
  settings.cache_bytes = options.cache_mib << 20;
  settings.adapters = context.common.adapters;
  settings.now = [&context] { return context.Now(); };
  settings.warn = [](const std::string& line) { std::fprintf(stderr, "hew serve: %s\n", line.c_str()); };
  settings.on_ready = [&](const std::string& url, const std::string& model) {
    if (context.common.json) {
      context.PrintJson({{"url", url}, {"model", model}});
    } else {
      context.Say(msg::kServing, model, url);
    }
    std::fflush(stdout);
  };
  return serve(settings);
}

}  // namespace

void AddServeCommand(CLI::App& app, CommandContext& context, const ServeFunction& serve) {
  auto options = std::make_shared<ServeOptions>();
  ServeSettings& s = options->settings;
  auto* command = app.add_subcommand("serve", "answer over HTTP as OpenAI's API does, with a page to look at");
  command->add_option("MODEL", s.model,
                      "a model, a version or alias, or a workspace's folder; by default the workspace here");
  command->add_option("--host", s.host, "the address to listen on")->capture_default_str();
  command->add_option("--port", s.port, "0 takes any free one")->capture_default_str();
  command->add_option("--ctx-size", s.context_size,
                      "tokens a sequence may hold; the model's own, at most 8192, by default");
  command->add_option("--parallel", s.parallel, "answers in one step")->capture_default_str();
  command
      ->add_option("--cache-mib", options->cache_mib,
                   "MiB for keys and values, of answers at work and of prompts seen before")
      ->capture_default_str();
  command->add_option("--adapter", context.common.adapters,
                      "NAME=PATH: an adapter served under this name; may be repeated");
  command->add_option("--template", s.template_path, "a chat template to use instead of the model's");
  command->add_option("--api-key", s.api_keys, "a key that requests must bring; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--no-api-key", s.no_api_key, "listen where others reach it without any key");
  command->add_option("--cors", s.cors_origin, "an origin whose pages may ask, or *");
  command->add_option("--host-name", s.hosts, "a further name that requests may call this machine by; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--tls-cert", s.tls_certificate_path, "a PEM file with the certificate, for HTTPS");
  command->add_option("--tls-key", s.tls_key_path, "a PEM file with its key");
  command->add_option("--grace", s.grace_seconds, "seconds that answers at work get when it is told to stop")
      ->capture_default_str();
  command->footer(
      "Example:\n  hew serve model.gguf --port 8080\n"
      "  curl localhost:8080/v1/chat/completions -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'");
  command->callback([&context, options, serve] {
    context.run = [&context, options, serve] { return RunServe(context, *options, serve); };
  });
}

}  // namespace hew
