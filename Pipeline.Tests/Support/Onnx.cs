using System.Buffers.Binary;
using System.Text;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Writes tiny ONNX files: just enough of the format (a protobuf) for a
/// graph of a few nodes on float32 tensors.</summary>
internal sealed class Onnx
{
    private readonly Proto _graph = new Proto().Text(2, "tiny");
    private readonly int _elementType;

    /// <param name="elementType">1 = float32, 11 = float64, …</param>
    public Onnx(int elementType = 1) => _elementType = elementType;

    /// <summary>A negative side is dynamic, with a name of its own.</summary>
    public Onnx Input(string name, params long[] shape) => Value(11, name, shape);

    public Onnx Output(string name, params long[] shape) => Value(12, name, shape);

    public Onnx Constant(string name, long[] shape, params float[] values)
    {
        var raw = new byte[values.Length * 4];
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(raw.AsSpan(i * 4), values[i]);
        return Constant(name, 1, shape, raw);
    }

    /// <param name="elementType">2 = uint8, 3 = int8, 10 = float16, …</param>
    /// <param name="raw">Little-endian elements.</param>
    public Onnx Constant(string name, int elementType, long[] shape, byte[] raw)
    {
        _graph.Message(5, Tensor(name, elementType, shape, raw));
        return this;
    }

    public Onnx Integers(string name, params long[] values)
    {
        var raw = new byte[values.Length * 8];
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteInt64LittleEndian(raw.AsSpan(i * 8), values[i]);
        return Constant(name, 7, [values.Length], raw);
    }

    public Onnx Node(string type, string[] inputs, string output, params (string Name, long[] Values)[] attributes)
    {
        var node = new Proto();
        foreach (var input in inputs) node.Text(1, input);
        node.Text(2, output).Text(4, type);
        foreach (var (name, values) in attributes)
        {
            // A list (type INTS = 7), or one value (INT = 2) where the operator wants one.
            var attribute = new Proto().Text(1, name);
            if (name is "keepdims" or "axis" or "to") attribute.Number(3, values[0]).Number(20, 2);
            else
            {
                foreach (var value in values) attribute.Number(8, value);
                attribute.Number(20, 7);
            }

            node.Message(5, attribute);
        }

        _graph.Message(1, node);
        return this;
    }

    /// <summary>The file's bytes: IR version 8, opset 13.</summary>
    public byte[] Build() =>
        new Proto().Number(1, 8).Message(7, _graph).Message(8, new Proto().Number(2, 13)).ToArray();

    private Onnx Value(int field, string name, long[] shape)
    {
        var sides = new Proto();
        for (var i = 0; i < shape.Length; i++)
            sides.Message(1, shape[i] < 0 ? new Proto().Text(2, $"{name}_{i}") : new Proto().Number(1, shape[i]));
        _graph.Message(field, new Proto().Text(1, name)
            .Message(2, new Proto().Message(1, new Proto().Number(1, _elementType).Message(2, sides))));
        return this;
    }

    private static Proto Tensor(string name, int type, long[] shape, byte[] raw)
    {
        var tensor = new Proto();
        foreach (var side in shape) tensor.Number(1, side);
        return tensor.Number(2, type).Text(8, name).Bytes(9, raw);
    }

    private sealed class Proto
    {
        private readonly List<byte> _bytes = [];

        public Proto Number(int field, long value) => Varint((ulong)field << 3).Varint((ulong)value);

        public Proto Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

        public Proto Message(int field, Proto value) => Bytes(field, value.ToArray());

        public Proto Bytes(int field, byte[] value)
        {
            Varint(((ulong)field << 3) | 2).Varint((ulong)value.Length);
            _bytes.AddRange(value);
            return this;
        }

        public byte[] ToArray() => [.. _bytes];

        private Proto Varint(ulong value)
        {
            for (; value >= 128; value >>= 7) _bytes.Add((byte)(value | 128));
            _bytes.Add((byte)value);
            return this;
        }
    }
}
