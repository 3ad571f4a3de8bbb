#include "shim/deliver/curl_http.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>

namespace spoor {
namespace {

struct Upload {
    const HttpRequest& request;
    uint64_t sent = 0;
};

size_t take_answer(char* data, size_t one, size_t count, void* to) {
    auto& body = *static_cast<std::string*>(to);
    body.append(data, std::min(one * count, answer_bytes_max - body.size()));
    return one * count;
}

size_t give_file(char* to, size_t one, size_t count, void* from) {
    auto& upload = *static_cast<Upload*>(from);
    const uint64_t left = upload.request.body_bytes - upload.sent;
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(one * count, left));
    if (wanted == 0) return 0;
    const ssize_t got =
        ::pread(upload.request.body_fd, to, wanted, static_cast<off_t>(upload.request.body_at + upload.sent));
    if (got <= 0) return CURL_READFUNC_ABORT;
    upload.sent += static_cast<uint64_t>(got);
    return static_cast<size_t>(got);
}

// libcurl begins anew when a kept connection turns out to be dead.
int seek_file(void* from, curl_off_t offset, int origin) {
    auto& upload = *static_cast<Upload*>(from);
    if (origin != SEEK_SET || offset < 0 || static_cast<uint64_t>(offset) > upload.request.body_bytes)
        return CURL_SEEKFUNC_FAIL;
    upload.sent = static_cast<uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

// The first option that was refused decides: a request without one of them is not the one that was meant.
class Options {
public:
    explicit Options(CURL* easy) : easy_(easy) {}
    template <class Value>
    void set(CURLoption option, Value value) {
        if (status_ == CURLE_OK) status_ = curl_easy_setopt(easy_, option, value);
    }
    [[nodiscard]] CURLcode status() const { return status_; }

private:
    CURL* easy_;
    CURLcode status_ = CURLE_OK;
};

void set_safety(Options& options, const HttpRequest& request) {
    options.set(CURLOPT_PROTOCOLS_STR, "http,https");
    options.set(CURLOPT_FOLLOWLOCATION, 0L);
    options.set(CURLOPT_SSL_VERIFYPEER, 1L);
    options.set(CURLOPT_SSL_VERIFYHOST, 2L);
    options.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!request.ca_file.empty()) {
        options.set(CURLOPT_CAINFO, request.ca_file.c_str());
        options.set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    options.set(CURLOPT_PROXY, "");  // not from the environment either
    options.set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    options.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    options.set(CURLOPT_NOSIGNAL, 1L);
    options.set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
    options.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeout_ms));
    options.set(CURLOPT_PATH_AS_IS, 1L);
    options.set(CURLOPT_USERAGENT, "spoor/" SPOOR_VERSION);
}

}  // namespace

Result<std::unique_ptr<CurlHttp>> CurlHttp::create() {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (started != CURLE_OK) return Error{0, std::string("libcurl: ") + curl_easy_strerror(started)};
    CURL* easy = curl_easy_init();
    if (easy == nullptr) return Error{ENOMEM, "libcurl does not start"};
    return std::unique_ptr<CurlHttp>(new CurlHttp(easy));
}

CurlHttp::~CurlHttp() { curl_easy_cleanup(static_cast<CURL*>(easy_)); }

Result<HttpAnswer> CurlHttp::send(const HttpRequest& request) {
    CURL* easy = static_cast<CURL*>(easy_);
    curl_easy_reset(easy);  // connections stay
    HttpAnswer answer;
    Upload upload{request};
    std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, curl_slist_free_all);
    for (const auto& [name, value] : request.headers) {
        curl_slist* longer = curl_slist_append(headers.get(), (name + ": " + value).c_str());
        if (longer == nullptr) return Error{ENOMEM, "no memory for the request"};
        static_cast<void>(headers.release());
        headers.reset(longer);
    }
    Options options(easy);
    set_safety(options, request);
    options.set(CURLOPT_URL, request.url.c_str());
    options.set(CURLOPT_HTTPHEADER, headers.get());
    options.set(CURLOPT_WRITEFUNCTION, take_answer);
    options.set(CURLOPT_WRITEDATA, &answer.body);
    if (request.method == HttpRequest::Method::put) {
        options.set(CURLOPT_UPLOAD, 1L);
        options.set(CURLOPT_READFUNCTION, give_file);
        options.set(CURLOPT_READDATA, &upload);
        options.set(CURLOPT_SEEKFUNCTION, seek_file);
        options.set(CURLOPT_SEEKDATA, &upload);
        options.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_bytes));
    } else {
        options.set(CURLOPT_POST, 1L);
        options.set(CURLOPT_POSTFIELDS, request.body.data());
        options.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    CURLcode done = options.status();
    if (done == CURLE_OK) done = curl_easy_perform(easy);
    // A server that has answered and hung up before it had the whole request has answered all the same.
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    const bool refused_early = done == CURLE_SEND_ERROR && status >= 400;
    if (done != CURLE_OK && !refused_early) return Error{EIO, curl_easy_strerror(done)};
    answer.status = static_cast<int>(status);
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
        answer.retry_after_ms = static_cast<uint64_t>(seconds) * 1000;
    const char* redirect = nullptr;
    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK && redirect != nullptr)
        answer.redirect = redirect;
    return answer;
}

}  // namespace spoor
