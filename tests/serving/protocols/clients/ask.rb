# Ruby's Net::HTTP, as its documentation posts a file: ARGV is the service's address and the photo's path.
require "json"
require "net/http"

address, photo = ARGV
uri = URI("#{address}/v1/models/orientation:predict")
png = { "Content-Type" => "image/png" }

form = Net::HTTP::Post.new(uri)
form.set_form([["image", File.open(photo, "rb")]], "multipart/form-data")
chunked = Net::HTTP::Post.new(uri, png.merge("Transfer-Encoding" => "chunked"))
chunked.body_stream = File.open(photo, "rb")

Net::HTTP.start(uri.host, uri.port) do |http|
  wrong = http.post(uri.path, "no image", png)
  puts JSON.generate(
    health: http.head("/health/ready").code.to_i,
    bytes: JSON.parse(http.post(uri.path, File.binread(photo), png).body)["predictions"],
    form: JSON.parse(http.request(form).body)["predictions"],
    chunked: JSON.parse(http.request(chunked).body)["predictions"],
    wrong: { status: wrong.code.to_i }.merge(JSON.parse(wrong.body))
  )
end
